package ca

import (
	"crypto"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSaveAndLoad(t *testing.T) {
	for _, p := range []Profile{ECDSA, RSAPSS} {
		a := authority(t, p)
		dir := filepath.Join(t.TempDir(), "new", "ca")
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		b, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		type equaler interface{ Equal(crypto.PrivateKey) bool }
		if !b.root.Equal(a.root) || !b.issuing.Equal(a.issuing) || !a.issuingKey.(equaler).Equal(b.issuingKey) ||
			!a.rootKey.(equaler).Equal(b.rootKey) || string(a.rootCRL) != string(b.rootCRL) {
			t.Errorf("%s: a different authority was loaded", p)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		perms := map[string]fs.FileMode{"root.pem": 0o644, "root.key": 0o600, "root.crl": 0o644, "issuing.pem": 0o644, "issuing.key": 0o600}
		if len(entries) != len(perms) {
			t.Errorf("%s: %v", p, entries)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Perm() != perms[e.Name()] {
				t.Errorf("%s: %s has mode %v, %v", p, e.Name(), info.Mode(), err)
			}
		}
		if err := a.Save(dir); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: saved over an authority: %v", p, err)
		}
		if _, err := Load(dir); err != nil {
			t.Errorf("%s: after the refused Save: %v", p, err)
		}
	}
}

func saved(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := authority(t, ECDSA).Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLoadNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lost+found"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := Load(dir); !errors.Is(err, ErrNoAuthority) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// An incomplete authority is never replaced by a new one.
func TestLoadIncomplete(t *testing.T) {
	config := Config{URL: testURL}
	for _, lost := range []string{fileRoot, fileIssuing, fileIssuingKey} {
		dir := saved(t)
		if err := os.Remove(filepath.Join(dir, lost)); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreate(dir, config, time.Now()); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), lost) {
			t.Errorf("without %s: %v", lost, err)
		}
	}
	for _, left := range []string{fileRoot, fileRootKey, fileRootCRL, fileIssuing, fileIssuingKey} {
		dir := saved(t)
		for _, name := range []string{fileRoot, fileRootKey, fileRootCRL, fileIssuing, fileIssuingKey} {
			if name != left {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := LoadOrCreate(dir, config, time.Now()); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), left) {
			t.Errorf("only %s: %v", left, err)
		}
	}
}

func TestLoadInterrupted(t *testing.T) {
	for _, dir := range []string{saved(t), t.TempDir()} {
		if err := os.WriteFile(filepath.Join(dir, fileMarker), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadOrCreate(dir, Config{URL: testURL}, time.Now())
		if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), fileMarker) {
			t.Error(err)
		}
		if err := authority(t, ECDSA).Save(dir); !errors.Is(err, fs.ErrExist) {
			t.Errorf("saved despite the marker: %v", err)
		}
	}
}

// Any number of files that a crash leaves behind is an incomplete authority.
func TestSaveCutShort(t *testing.T) {
	files, err := authority(t, ECDSA).files()
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(files) + 1 {
		dir := t.TempDir()
		for _, f := range append([]file{{fileMarker, nil, 0o600}}, files[:n]...) {
			if err := writeFile(filepath.Join(dir, f.name), f.data, f.perm); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := LoadOrCreate(dir, Config{URL: testURL}, time.Now()); !errors.Is(err, ErrIncomplete) {
			t.Errorf("after %d files: %v", n, err)
		}
	}
}

func TestLoadBroken(t *testing.T) {
	other := t.TempDir()
	if err := authority(t, RSAPSS).Save(other); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(other, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, tc := range []struct{ file, content string }{
		{fileRoot, ""},
		{fileRoot, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
		{fileRoot, read(fileRoot)},
		{fileRoot, read(fileIssuingKey)},
		{fileIssuing, read(fileIssuing)},
		{fileIssuing, ""},
		{fileIssuingKey, read(fileIssuingKey)},
		{fileIssuingKey, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
		{fileRootKey, read(fileRootKey)},
		{fileRootKey, "x"},
	} {
		dir := saved(t)
		if err := os.WriteFile(filepath.Join(dir, tc.file), []byte(tc.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(dir)
		if err == nil || errors.Is(err, ErrNoAuthority) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s replaced by %.40q: %v", tc.file, tc.content, err)
		}
	}
}

func TestLoadOfflineRoot(t *testing.T) {
	dir := saved(t)
	if err := os.Remove(filepath.Join(dir, fileRootKey)); err != nil {
		t.Fatal(err)
	}
	a, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	i, _, _ := newIssuer(t, a)
	crl, err := i.CRL(t.Context(), i.root)
	if err != nil || string(crl) != string(authority(t, ECDSA).rootCRL) {
		t.Errorf("root CRL: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, fileRootCRL)); err != nil {
		t.Fatal(err)
	}
	if a, err = Load(dir); err != nil {
		t.Fatal(err)
	}
	i, _, _ = newIssuer(t, a)
	if _, err := i.CRL(t.Context(), i.root); err == nil {
		t.Error("a CRL without a key")
	}
}

// If several processes start at once in an empty directory, at most one creates the
// authority, and all others use it or fail.
func TestLoadOrCreateRace(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	made := make([]*Authority, 8)
	for n := range made {
		wg.Go(func() { made[n], _ = LoadOrCreate(dir, Config{URL: testURL}, time.Now()) })
	}
	wg.Wait()
	a, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range made {
		if b != nil && !b.root.Equal(a.root) {
			t.Error("two authorities")
		}
	}
	again, err := LoadOrCreate(dir, Config{URL: testURL}, time.Now())
	if err != nil || !again.issuing.Equal(a.issuing) {
		t.Errorf("loaded again: %v", err)
	}
}

// TestReaddress: if the URL has changed, the issuing CA gets another certificate for the same key, behind which
// the certificates that it issued before still verify. It does not while the root is offline.
func TestReaddress(t *testing.T) {
	const moved = "http://moved.example/pki"
	dir := saved(t)
	i, _, _ := newIssuer(t, authority(t, ECDSA))
	leaf := parse(t, issue(t, i).DER)
	old := i.Issuing()
	for _, tt := range []struct {
		url, want string
		new       bool
	}{{testURL, testURL, false}, {moved, moved, true}, {moved + "/", moved, false}} {
		a, err := Load(dir)
		if err == nil {
			err = a.Readdress(dir, tt.url)
		}
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Load(dir); err != nil || !again.issuing.Equal(a.issuing) {
			t.Errorf("another certificate is in the directory, %v", err)
		}
		c := a.Issuing()
		if !strings.HasPrefix(c.IssuingCertificateURL[0], tt.want+"/") || !strings.HasPrefix(c.CRLDistributionPoints[0], tt.want+"/") {
			t.Errorf("%s: the issuing CA names %v and %v", tt.url, c.IssuingCertificateURL, c.CRLDistributionPoints)
		}
		if same := c.SerialNumber.Cmp(old.SerialNumber) == 0; same == tt.new || string(c.RawSubject) != string(old.RawSubject) || !c.NotAfter.Equal(old.NotAfter) || string(c.SubjectKeyId) != string(old.SubjectKeyId) {
			t.Errorf("%s: another certificate %v, of %s", tt.url, !same, c.Subject)
		}
		if err := leaf.CheckSignatureFrom(c); err != nil {
			t.Error(err)
		}
		if chain, err := a.Chain(leaf.Raw); err != nil || string(chain[0]) != string(c.Raw) {
			t.Errorf("the chain is another one, %v", err)
		}
		old = c
	}
	if err := authority(t, ECDSA).Readdress(dir, "https://x"); err == nil {
		t.Error("an https URL was taken")
	}
	if err := os.Remove(filepath.Join(dir, fileRootKey)); err != nil {
		t.Fatal(err)
	}
	a, err := Load(dir)
	if err == nil {
		err = a.Readdress(dir, testURL)
	}
	if err != nil || !a.Issuing().Equal(old) {
		t.Errorf("without the root's key: %v", err)
	}
}
