package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"reflect"
	"testing"
)

func FuzzParse(f *testing.F) {
	id := identityOf(f, "EC-EC")
	content := []byte("text")
	der := id.answer(f, content, epoch)
	f.Add(der)
	f.Add(identityOf(f, "RSA-EC").answer(f, nil, epoch))
	f.Add([]byte{0x30, 0x80, 0, 0})
	o := VerifyOptions{Roots: id.roots(), Time: epoch}
	f.Fuzz(func(t *testing.T, der []byte) {
		ber, berErr := ParseBER(der)
		if berErr == nil {
			if r, err := ber.Verify(o); err == nil && !bytes.Equal(r.Content, content) {
				t.Errorf("verifies as BER with %q", r.Content)
			}
		}
		sd, err := Parse(der)
		if err == nil && berErr == nil && !reflect.DeepEqual(sd, ber) {
			t.Error("another result as BER")
		}
		if err != nil {
			if sd != nil {
				t.Error("a result with an error")
			}
			return
		}
		var whole asn1.RawValue
		if rest, err := asn1.Unmarshal(der, &whole); err != nil || len(rest) > 0 {
			t.Errorf("encoding/asn1 does not take it: %v", err)
		}
		if r, err := sd.Verify(o); err == nil && !bytes.Equal(r.Content, content) {
			t.Errorf("verifies with %q", r.Content)
		}
	})
}

func FuzzMessageDigest(f *testing.F) {
	id := identityOf(f, "EC-EC")
	f.Add(SignedAttributes([]byte("text"), epoch, id.signer))
	f.Add(SignedAttributes(nil, epoch.AddDate(30, 0, 0), id.signer))
	f.Fuzz(func(t *testing.T, attrs []byte) {
		digest, err := MessageDigest(attrs)
		if err != nil || len(attrs) > 1<<16 {
			return
		}
		if len(digest) == 0 || !bytes.Contains(attrs, digest) {
			t.Errorf("digest %x", digest)
		}
		// Attributes that a phone accepts never belong to another text.
		sum := sha256.Sum256([]byte("text"))
		if _, err := Assemble([]byte("text"), attrs, []byte{1}, id.signer, nil); (err == nil) != bytes.Equal(digest, sum[:]) {
			t.Errorf("Assemble: %v", err)
		}
	})
}

// crypto/x509 is the oracle: if both accept a certificate with a key of ours, they read
// the same. (ParseSigner accepts less: it refuses data after the last field of a
// structure, which crypto/x509 ignores.)
func FuzzParseSigner(f *testing.F) {
	for _, kind := range kinds {
		f.Add(identityOf(f, kind).leaf.Raw)
		f.Add(identityOf(f, kind).root.Raw)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := ParseSigner(der)
		c, xerr := x509.ParseCertificate(der)
		if err != nil || xerr != nil {
			return
		}
		switch k := c.PublicKey.(type) {
		case *ecdsa.PublicKey:
			if k.Curve != elliptic.P256() {
				return
			}
		case *rsa.PublicKey:
			if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
				return
			}
		default:
			return
		}
		if !bytes.Equal(s.issuer, c.RawIssuer) || !(&signerInfo{issuer: s.issuer, serial: s.serial}).names(c) {
			t.Errorf("issuer %x, serial %x", s.issuer, s.serial)
		}
		if k, ok := s.key.(interface{ Equal(crypto.PublicKey) bool }); !ok || !k.Equal(c.PublicKey) {
			t.Error("key")
		}
	})
}
