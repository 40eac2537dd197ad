package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Files of an authority in its directory. Keys are PKCS #8.
const (
	fileRoot       = "root.pem"
	fileRootKey    = "root.key" // may be taken away and kept offline
	fileRootCRL    = "root.crl" // DER; may be missing
	fileIssuing    = "issuing.pem"
	fileIssuingKey = "issuing.key"
	// dirFormer has a PEM file for each former issuing CA: its certificate, then
	// that of its root, which may be left out if it is the current root. The
	// directory may be missing. Load reads every *.pem there.
	dirFormer = "former"
	// fileMarker is there while the others are being written.
	fileMarker = "INCOMPLETE"
)

// Errors of Load, beside what the file system says.
var (
	// ErrNoAuthority means that the directory has no file of an authority.
	ErrNoAuthority = errors.New("ca: no authority there")
	// ErrIncomplete means that it has some: writing it was cut short or is
	// under way, or files were lost. There may be certificates of that
	// authority, so none is made in its place.
	ErrIncomplete = errors.New("ca: incomplete authority")
)

// LoadOrCreate loads the authority in the directory, or creates and saves one
// if there is nothing of an authority.
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
	return a, nil
}

// Save writes a new authority into the directory, which is made if need be, as
// PEM; files of keys are for the owner only. It fails with fs.ErrExist if there
// is an authority, or part of one. The keys must be in memory.
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
	// Whoever makes the marker is the only one to write.
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
	for _, f := range files { // if one fails, the marker stays: there is half an authority
		if err := writeFile(filepath.Join(dir, f.name), f.data, f.perm); err != nil {
			return fmt.Errorf("ca: save: %w", err)
		}
	}
	if err := syncDir(dir); err != nil { // before the marker goes
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

// files are those of the authority, in the order in which they are written.
func (a *Authority) files() ([]file, error) {
	const forAll, forOwner = 0o644, 0o600
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
	for _, p := range a.former {
		name := filepath.Join(dirFormer, hex.EncodeToString(p.issuing.SubjectKeyId)+".pem")
		list = append(list, file{name, append(encodeCertificate(p.issuing), encodeCertificate(p.root)...), forAll})
	}
	return list, nil
}

// Load reads the authority in a directory. Without root.key the root is
// offline. Errors wrap ErrNoAuthority, ErrIncomplete, or say which file is
// wrong.
func Load(dir string) (*Authority, error) {
	present, missing, err := inventory(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(dir, fileMarker)); err == nil {
		return nil, fmt.Errorf("%w: %s: writing it was cut short, or is under way (%s)", ErrIncomplete, dir, fileMarker)
	}
	if len(present) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoAuthority, dir)
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
	crl, err := os.ReadFile(filepath.Join(dir, fileRootCRL))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ca: %w", err)
	}
	a, err := NewAuthority(root, issuing, rootKey, issuingKey, crl)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return a.withFormerIn(filepath.Join(dir, dirFormer))
}

// withFormerIn adds the former issuing CAs of a directory, which may be missing.
func (a *Authority) withFormerIn(dir string) (*Authority, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ca: %w", err)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if filepath.Ext(name) != ".pem" {
			continue
		}
		certs, err := readCertificates(name)
		if err != nil {
			return nil, err
		}
		root := a.root
		if len(certs) == 2 {
			root = certs[1]
		} else if len(certs) != 1 {
			return nil, fmt.Errorf("ca: %s has %d certificates, not a former issuing CA and perhaps its root", name, len(certs))
		}
		if a, err = a.WithFormer(certs[0], root); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return a, nil
}

// inventory says which files of an authority are in the directory, and which of
// those that must be are not.
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

func readKey(path string) (crypto.Signer, error) {
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

// writeFile makes a file appear with all its content, or not at all.
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
