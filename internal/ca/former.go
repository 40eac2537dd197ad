package ca

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Former is an issuing CA that issues no longer. Its certificates stay in use
// until they expire, so their chain and status must stay available.
type Former struct {
	Issuing, Root *x509.Certificate
	// Key signs the CRL and OCSP answers for the certificates that the CA issued.
	// It should be kept until the last of them has expired. If it is nil, OCSP
	// requests are answered with unauthorized, and the CRL is the one below.
	Key crypto.Signer
	// CRL (DER) is the last one that the CA signed; it is served while Key is nil.
	// Without it there is none.
	CRL []byte
	// RootCRL (DER) is the last one of a Root that is not the authority's.
	RootCRL []byte
}

// check reports what is wrong with a former issuing CA.
func (f Former) check() error {
	if err := f.Root.CheckSignatureFrom(f.Root); err != nil {
		return fmt.Errorf("ca: root of a former issuing CA is not self-signed: %w", err)
	}
	if err := f.Issuing.CheckSignatureFrom(f.Root); err != nil {
		return fmt.Errorf("ca: former issuing CA is not signed by its root: %w", err)
	}
	if !f.Issuing.IsCA || len(f.Issuing.SubjectKeyId) == 0 {
		return errors.New("ca: a former issuing CA is not a CA, or has no subject key identifier")
	}
	if f.Key != nil {
		if !sameKey(f.Key, f.Issuing.PublicKey) {
			return errors.New("ca: the key of a former issuing CA is not that of its certificate")
		}
		if _, err := schemeOf(f.Issuing.PublicKey); err != nil {
			return err
		}
	}
	return errors.Join(checkCRL(f.CRL, f.Issuing), checkCRL(f.RootCRL, f.Root))
}

// checkCRL checks that a CRL, if there is one, is signed by the CA.
func checkCRL(der []byte, issuer *x509.Certificate) error {
	if der == nil {
		return nil
	}
	crl, err := x509.ParseRevocationList(der)
	if err == nil {
		err = crl.CheckSignatureFrom(issuer)
	}
	if err != nil {
		return fmt.Errorf("ca: CRL of %s: %w", issuer.Subject, err)
	}
	return nil
}

// WithFormer returns an authority that also knows a former issuing CA.
func (a *Authority) WithFormer(f Former) (*Authority, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	b := *a
	b.former = append(a.former[:len(a.former):len(a.former)], f)
	return &b, nil
}

// withFormerIn adds the former issuing CAs of a directory, which may be missing.
func (a *Authority) withFormerIn(dir string) (*Authority, error) {
	err := eachFormer(dir, a.root, func(f Former) (err error) {
		a, err = a.WithFormer(f)
		return err
	})
	return a, err
}

// eachFormer reads the former issuing CAs of a directory, which may be missing.
func eachFormer(dir string, currentRoot *x509.Certificate, do func(Former) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ca: %w", err)
	}
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), extCertificates)
		if !ok {
			continue
		}
		f, err := readFormer(filepath.Join(dir, base), currentRoot)
		if err != nil {
			return err
		}
		if err := do(f); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, e.Name()), err)
		}
	}
	return nil
}

// FormerRootsIn returns the roots of the former issuing CAs of a directory that has no
// authority, because all its files were moved there.
func FormerRootsIn(dir string) (roots []*x509.Certificate, err error) {
	err = eachFormer(filepath.Join(dir, dirFormer), nil, func(f Former) error {
		if f.Root != nil {
			roots = append(roots, f.Root)
		}
		return nil
	})
	return roots, err
}

// FormerRoots returns the roots of the former issuing CAs.
func (a *Authority) FormerRoots() (roots []*x509.Certificate) {
	for _, f := range a.former {
		roots = append(roots, f.Root)
	}
	return roots
}

// Knows reports whether the issuing CA or a former one has this key identifier, in
// lower-case hex.
func (a *Authority) Knows(issuer string) bool {
	return keyID(a.issuing) == issuer || slices.ContainsFunc(a.former, func(f Former) bool { return keyID(f.Issuing) == issuer })
}

// readFormer reads the files of a former issuing CA: base, then an extension.
func readFormer(base string, currentRoot *x509.Certificate) (f Former, err error) {
	certs, err := readCertificates(base + extCertificates)
	if err != nil {
		return f, err
	}
	switch len(certs) {
	case 1:
		f.Issuing, f.Root = certs[0], currentRoot // nil if there is none
	case 2:
		f.Issuing, f.Root = certs[0], certs[1]
	default:
		return f, fmt.Errorf("ca: %s has %d certificates, want a former issuing CA and optionally its root", base+extCertificates, len(certs))
	}
	if f.Key, err = readKey(base + extKey); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if f.CRL, err = readOptional(base + extCRL); err != nil {
		return f, err
	}
	f.RootCRL, err = readOptional(base + extRootCRL)
	return f, err
}

// readOptional reads a file that may be missing.
func readOptional(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return data, nil
}

// formerFiles are the files of a former issuing CA.
func formerFiles(f Former) ([]file, error) {
	base := filepath.Join(dirFormer, keyID(f.Issuing))
	list := []file{{base + extCertificates, append(encodeCertificate(f.Issuing), encodeCertificate(f.Root)...), forAll}}
	if f.Key != nil {
		key, err := encodeKey(f.Key)
		if err != nil {
			return nil, err
		}
		list = append(list, file{base + extKey, key, forOwner})
	}
	if f.CRL != nil {
		list = append(list, file{base + extCRL, f.CRL, forAll})
	}
	if f.RootCRL != nil {
		list = append(list, file{base + extRootCRL, f.RootCRL, forAll})
	}
	return list, nil
}
