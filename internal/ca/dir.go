package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Files of an authority in its directory. Keys are PKCS #8.
const (
	fileRoot       = "root.pem"
	fileRootKey    = "root.key" // may be taken away and kept offline
	fileRootCRL    = "root.crl" // DER; may be missing
	fileIssuing    = "issuing.pem"
	fileIssuingKey = "issuing.key"
	// fileMarker exists while the others are being written.
	fileMarker = "INCOMPLETE"
	// dirFormer holds the former issuing CAs, each in files of one name, which
	// does not matter, with these extensions. The directory may be missing.
	dirFormer       = "former"
	extCertificates = ".pem"      // the CA's, then its root's; the current root may be left out
	extKey          = ".key"      // may be missing, see Former
	extCRL          = ".crl"      // DER; may be missing
	extRootCRL      = ".root.crl" // DER; may be missing
)

// Permissions of files.
const (
	forAll   fs.FileMode = 0o644
	forOwner fs.FileMode = 0o600
)

// Errors of Load, besides those of the file system.
var (
	// ErrNoAuthority means that the directory contains no file of an authority.
	ErrNoAuthority = errors.New("ca: no authority in the directory")
	// ErrIncomplete means that some files of an authority are missing: writing them
	// was interrupted or is under way, or files were lost. That authority may have
	// issued certificates, so it is not replaced by a new one.
	ErrIncomplete = errors.New("ca: incomplete authority")
	// ErrExposed means that others can read a key.
	ErrExposed = errors.New("is open to every user of this machine")
)

// LoadOrCreate loads the authority in the directory. If the directory contains no
// file of an authority, it creates and saves one. To rotate the issuing CA, move the
// files of the authority into the directory former, see dirFormer, and load again.
func LoadOrCreate(dir string, c Config, now time.Time) (*Authority, error) {
	a, err := Load(dir)
	if !errors.Is(err, ErrNoAuthority) {
		return a, err
	}
	if a, err = Create(c, now); err != nil {
		return nil, err
	}
	if err := a.Save(dir); err != nil {
		return nil, err
	}
	return Load(dir) // with the former CAs that the directory may contain
}

// Readdress gives the issuing CA another certificate for the same key, and writes it to the
// directory, unless its certificate names this base URL already. A client that checks it
// would look for the CRL of the root at the old one. It is for authorities on which nobody
// relies: others may have recorded the certificate. It does nothing while the root is
// offline, and must not be called once the authority is in use.
func (a *Authority) Readdress(dir, url string) error {
	base, err := baseURL(url)
	if err != nil || a.rootKey == nil {
		return err
	}
	t := *a.issuing
	t.IssuingCertificateURL, t.CRLDistributionPoints = addresses(base, a.root)
	if slices.Equal(t.IssuingCertificateURL, a.issuing.IssuingCertificateURL) && slices.Equal(t.CRLDistributionPoints, a.issuing.CRLDistributionPoints) {
		return nil
	}
	t.SerialNumber = newSerialNumber()
	issuing, err := createCA(&t, a.root, a.issuingKey, a.rootKey)
	if err != nil {
		return fmt.Errorf("ca: issuing CA: %w", err)
	}
	if err := writeFile(filepath.Join(dir, fileIssuing), encodeCertificate(issuing), forAll); err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	a.issuing = issuing
	return syncDir(dir)
}

// Save writes a new authority to the directory as PEM, and creates the directory
// if necessary. Only the owner can read the key files. The error is fs.ErrExist if
// the directory contains an authority or part of one. The keys must be in memory.
func (a *Authority) Save(dir string) error {
	files, err := a.files()
	if err != nil {
		return fmt.Errorf("ca: save: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("ca: save: %w", err)
	}
	if len(a.former) > 0 {
		if err := os.MkdirAll(filepath.Join(dir, dirFormer), 0o700); err != nil {
			return fmt.Errorf("ca: save: %w", err)
		}
	}
	// Only the process that creates the marker writes.
	marker, err := os.OpenFile(filepath.Join(dir, fileMarker), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("ca: save: %w", err)
	}
	_ = marker.Close()
	present, _, err := inventory(dir)
	if err == nil && len(present) > 0 {
		err = fmt.Errorf("ca: save: %s: %w", filepath.Join(dir, present[0]), fs.ErrExist)
	}
	if err != nil {
		_ = os.Remove(marker.Name())
		return err
	}
	for _, f := range files { // if one fails, the marker stays: the authority is incomplete
		if err := writeFile(filepath.Join(dir, f.name), f.data, f.perm); err != nil {
			return fmt.Errorf("ca: save: %w", err)
		}
	}
	if err := syncDir(dir); err != nil { // before the marker is removed
		return err
	}
	if err := os.Remove(marker.Name()); err != nil {
		return fmt.Errorf("ca: save: %w", err)
	}
	return syncDir(dir)
}

// file is one file of an authority.
type file struct {
	name string
	data []byte
	perm fs.FileMode
}

// files returns the files of the authority in the order in which they are written.
func (a *Authority) files() ([]file, error) {
	issuingKey, err := encodeKey(a.issuingKey)
	if err != nil {
		return nil, err
	}
	list := []file{
		{fileRoot, encodeCertificate(a.root), forAll},
		{fileIssuing, encodeCertificate(a.issuing), forAll},
		{fileIssuingKey, issuingKey, forOwner},
	}
	if a.rootKey != nil {
		rootKey, err := encodeKey(a.rootKey)
		if err != nil {
			return nil, err
		}
		list = append(list, file{fileRootKey, rootKey, forOwner})
	}
	if a.rootCRL != nil {
		list = append(list, file{fileRootCRL, a.rootCRL, forAll})
	}
	for _, f := range a.former {
		files, err := formerFiles(f)
		if err != nil {
			return nil, err
		}
		list = append(list, files...)
	}
	return list, nil
}

// Load reads the authority in a directory. If root.key is missing, the root is
// offline. Errors wrap ErrNoAuthority or ErrIncomplete, or name the file that is
// wrong.
func Load(dir string) (*Authority, error) {
	present, missing, err := inventory(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(dir, fileMarker)); err == nil {
		return nil, fmt.Errorf("%w: %s: writing it was interrupted or is under way (%s)", ErrIncomplete, dir, fileMarker)
	}
	if len(present) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoAuthority, dir)
	}
	// Kubernetes lets everybody write to the directory of a secret, and mounts it read-only.
	if err := notFor(dir, 0o002); err != nil && !readOnly(dir) {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: %s has %v but not %v", ErrIncomplete, dir, present, missing)
	}
	root, err := readCertificate(filepath.Join(dir, fileRoot))
	if err != nil {
		return nil, err
	}
	issuing, err := readCertificate(filepath.Join(dir, fileIssuing))
	if err != nil {
		return nil, err
	}
	issuingKey, err := readKey(filepath.Join(dir, fileIssuingKey))
	if err != nil {
		return nil, err
	}
	rootKey, err := readKey(filepath.Join(dir, fileRootKey))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	crl, err := readOptional(filepath.Join(dir, fileRootCRL))
	if err != nil {
		return nil, err
	}
	a, err := NewAuthority(root, issuing, rootKey, issuingKey, crl)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return a.withFormerIn(filepath.Join(dir, dirFormer))
}

// RenewRootCRL signs a CRL of the root that is valid for a year, for the time in which the key
// of the root is offline, and writes it to the directory. The key must be there. It returns
// when the CRL ends.
func RenewRootCRL(dir string, now time.Time) (until time.Time, err error) {
	a, err := Load(dir)
	if err != nil {
		return until, err
	}
	if a.rootKey == nil {
		return until, fmt.Errorf("ca: %s is needed to sign, but it is not there: %w", RootKeyFile(dir), fs.ErrNotExist)
	}
	until = now.Add(rootCRLValidity)
	crl, err := signCRL(a.root, a.rootKey, nil, big.NewInt(now.UnixMicro()), now.Add(-backdate), until)
	if err != nil {
		return until, fmt.Errorf("ca: CRL of the root: %w", err)
	}
	if err := writeFile(filepath.Join(dir, fileRootCRL), crl, forAll); err != nil {
		return until, fmt.Errorf("ca: %w", err)
	}
	return until, syncDir(dir)
}

// RootKeyFile is the file in a directory that holds the key of the root. A node works
// without it; only a new issuing CA and a new CRL of the root need it.
func RootKeyFile(dir string) string { return filepath.Join(dir, fileRootKey) }

// HasRootKey reports whether the key of the root is at hand, not offline.
func (a *Authority) HasRootKey() bool { return a.rootKey != nil }

// inventory lists which files of an authority are in the directory, and which
// required ones are missing.
func inventory(dir string) (present, missing []string, err error) {
	for _, name := range []string{fileRoot, fileRootKey, fileRootCRL, fileIssuing, fileIssuingKey} {
		_, err := os.Lstat(filepath.Join(dir, name))
		switch {
		case err == nil:
			present = append(present, name)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, nil, fmt.Errorf("ca: %w", err)
		case name != fileRootKey && name != fileRootCRL:
			missing = append(missing, name)
		}
	}
	return present, missing, nil
}

func encodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func readPEM(path, blockType string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != blockType {
		return nil, fmt.Errorf("ca: %s is not PEM of a %s", path, blockType)
	}
	return block.Bytes, nil
}

func readCertificate(path string) (*x509.Certificate, error) {
	der, err := readPEM(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("ca: %s: %w", path, err)
	}
	return c, nil
}

// readCertificates reads all certificates of a PEM file.
func readCertificates(path string) (list []*x509.Certificate, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("ca: %s: %w", path, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// notFor refuses a file or directory that gives other users of the machine one of
// the permissions. Groups are the operator's choice.
func notFor(path string, others fs.FileMode) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	if st.Mode().Perm()&others != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("ca: %s %w: run chmod o-rwx %s", path, ErrExposed, path)
	}
	return nil
}

func readKey(path string) (crypto.Signer, error) {
	if err := notFor(path, 0o007); err != nil {
		return nil, err
	}
	der, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("ca: %s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("ca: %s: a %T cannot sign", path, key)
	}
	return signer, nil
}

// writeFile writes a file atomically: it appears with all its content or not at all.
func writeFile(path string, data []byte, perm fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Chmod(perm); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	return nil
}
