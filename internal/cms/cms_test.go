package cms

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/signum-mssp/signum/internal/testkit"
)

var texts = map[string][]byte{
	"plain":       []byte("Bank: authorise payment of CHF 100.00?"),
	"utf-8":       []byte("Zürich ✓ – ça va? Привет 你好 \U0001f512\r\n\ttext, byte for byte"),
	"json":        []byte(`{"format_version":1,"content_string":"[{\"key\":\"Betrag\",\"value\":\"CHF 5.–\"}]"}`),
	"not utf-8":   {0xff, 0xfe, 0x00, 0x80},
	"length 127":  bytes.Repeat([]byte("a"), 127),
	"length 128":  bytes.Repeat([]byte("b"), 128),
	"length 255":  bytes.Repeat([]byte("c"), 255),
	"length 256":  bytes.Repeat([]byte("d"), 256),
	"length 2^16": bytes.Repeat([]byte("e"), 1<<16),
	"large":       bytes.Repeat([]byte("f"), 200_000),
	"empty":       {},
}

// An assembled CMS verifies, here and with independent readers, and is equal to what
// encoding/asn1 makes.
func TestRoundTrip(t *testing.T) {
	for _, kind := range kinds {
		for name, content := range texts {
			t.Run(kind+"/"+name, func(t *testing.T) {
				id := identityOf(t, kind)
				attrs := SignedAttributes(content, epoch, id.signer)
				if want := marshalAttributes(t, genericAttributes(t, content, epoch, id)); !bytes.Equal(attrs, want) {
					t.Fatalf("signed attributes\n got %x\nwant %x", attrs, want)
				}
				digest, err := MessageDigest(attrs)
				if want := sha256.Sum256(content); err != nil || !bytes.Equal(digest, want[:]) {
					t.Fatalf("MessageDigest = %x, %v", digest, err)
				}
				sig := id.sign(t, attrs)
				if err := id.signer.Verify(attrs, sig); err != nil {
					t.Fatal(err)
				}
				der, err := Assemble(content, attrs, sig, id.signer, id.chain())
				if err != nil {
					t.Fatal(err)
				}
				if want := generic(t, id, content, attrs, sig).marshal(t); !bytes.Equal(der, want) {
					t.Fatalf("CMS\n got %x\nwant %x", der, want)
				}
				if cap(der) != len(der) {
					t.Errorf("allocated %d bytes for %d", cap(der), len(der))
				}

				sd, err := Parse(der)
				if err != nil {
					t.Fatal(err)
				}
				r, err := sd.Verify(VerifyOptions{Roots: id.roots()})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(r.Content, content) || !r.Certificate.Equal(id.leaf) ||
					r.Serial != "MIDCHE0123456789" || !r.SigningTime.Equal(epoch) {
					t.Errorf("result %+v", r)
				}
				if len(r.Chain) != 3 || !r.Chain[0].Equal(id.leaf) || !r.Chain[1].Equal(id.issuing) || !r.Chain[2].Equal(id.root) {
					t.Errorf("chain of %d", len(r.Chain))
				}

				p7, err := pkcs7.Parse(der)
				if err != nil {
					t.Fatalf("smallstep/pkcs7: %v", err)
				}
				if err := p7.VerifyWithChainAtTime(id.roots(), epoch); err != nil {
					t.Errorf("smallstep/pkcs7: %v", err)
				}
				if !bytes.Equal(p7.Content, content) {
					t.Error("smallstep/pkcs7 reads another content")
				}
			})
		}
	}
}

func TestOpenSSLVerifies(t *testing.T) {
	for _, kind := range kinds {
		for _, name := range []string{"plain", "utf-8", "length 256", "large", "empty"} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				id := identityOf(t, kind)
				root := writePEM(t, "root.pem", nil, id.root)
				out := testkit.OpenSSL(t, id.answer(t, texts[name], epoch), "cms", "-verify", "-inform", "der", "-binary",
					"-CAfile", root, "-purpose", "sslclient", "-attime", fmt.Sprint(epoch.Unix()))
				if !bytes.Equal(out, texts[name]) {
					t.Errorf("openssl prints %q", out)
				}
			})
		}
	}
}

// A popular validator takes the certificates in stored order: leaf, issuing CA, root,
// not in the order of a SET OF.
func TestCertificateOrder(t *testing.T) {
	sortedOtherwise := false
	for _, kind := range kinds {
		id := identityOf(t, kind)
		der := id.answer(t, texts["plain"], epoch)
		sd, err := Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		want := [][]byte{id.leaf.Raw, id.issuing.Raw, id.root.Raw}
		if got := sd.Certificates(); len(got) != 3 || !bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) {
			t.Errorf("%s: certificates not in the order leaf, issuing CA, root", kind)
		}
		if !bytes.Contains(der, bytes.Join(want, nil)) {
			t.Errorf("%s: certificates not as they are", kind)
		}
		sortedOtherwise = sortedOtherwise || bytes.Compare(id.leaf.Raw, id.issuing.Raw) > 0
	}
	if !sortedOtherwise {
		t.Log("by chance the order is also the sorted one")
	}
}

func TestSigningTime(t *testing.T) {
	id := identityOf(t, "EC-EC")
	zurich := time.FixedZone("CEST", 2*3600)
	for _, tc := range []struct {
		name string
		at   time.Time
		want string // tag, length, value
	}{
		{"today", epoch, "\x17\x0d260314150926Z"},
		{"fraction is cut", epoch.Add(999 * time.Millisecond), "\x17\x0d260314150926Z"},
		{"zone", time.Date(2026, 7, 1, 1, 0, 0, 0, zurich), "\x17\x0d260630230000Z"},
		{"first UTCTime", time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), "\x17\x0d500101000000Z"},
		{"before", time.Date(1949, 12, 31, 23, 59, 59, 0, time.UTC), "\x18\x0f19491231235959Z"},
		{"pivot of package time", time.Date(1968, 12, 31, 23, 59, 59, 0, time.UTC), "\x17\x0d681231235959Z"},
		{"leap day", time.Date(1952, 2, 29, 0, 0, 0, 0, time.UTC), "\x17\x0d520229000000Z"},
		{"last UTCTime", time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), "\x17\x0d491231235959Z"},
		{"first GeneralizedTime", time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), "\x18\x0f20500101000000Z"},
		{"zone over the boundary", time.Date(2050, 1, 1, 1, 0, 0, 0, zurich), "\x17\x0d491231230000Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			attrs := SignedAttributes(nil, tc.at, id.signer)
			if !strings.Contains(string(attrs), tc.want) {
				t.Errorf("no %q in %x", tc.want, attrs)
			}
			if want := marshalAttributes(t, genericAttributes(t, nil, tc.at, id)); !bytes.Equal(attrs, want) {
				t.Errorf("\n got %x\nwant %x", attrs, want)
			}
			a, err := parseAttributes(attrs)
			if err != nil || !a.signingTime.Equal(tc.at.Truncate(time.Second)) {
				t.Errorf("read back as %v, %v", a.signingTime, err)
			}
		})
	}
}

func TestVerifyAfter2050(t *testing.T) {
	id := identityOf(t, "EC-EC")
	at := time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)
	sd, err := Parse(id.answer(t, []byte("later"), at))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sd.Verify(VerifyOptions{Roots: id.roots()}); !errors.As(err, new(x509.CertificateInvalidError)) {
		t.Errorf("signing time after the certificate's validity: %v", err)
	}
	r, err := sd.Verify(VerifyOptions{Roots: id.roots(), Time: epoch})
	if err != nil || !r.SigningTime.Equal(at) {
		t.Errorf("at a given time: %+v, %v", r, err)
	}
}

func TestAssembleRefuses(t *testing.T) {
	id := identityOf(t, "EC-EC")
	content := []byte("text")
	attrs := SignedAttributes(content, epoch, id.signer)
	sig := id.sign(t, attrs)
	for name, tc := range map[string]struct {
		content, attrs, sig []byte
		chain               [][]byte
	}{
		"another content":       {[]byte("texT"), attrs, sig, nil},
		"no attributes":         {content, nil, sig, nil},
		"bytes after":           {content, append(append([]byte(nil), attrs...), 0), sig, nil},
		"no signature":          {content, attrs, nil, nil},
		"too many certificates": {content, attrs, sig, make([][]byte, MaxCertificates)},
		"too large":             {content, attrs, sig, [][]byte{make([]byte, MaxSize)}},
		"much too large":        {content, attrs, sig, [][]byte{make([]byte, 1<<24)}},
	} {
		if der, err := Assemble(tc.content, tc.attrs, tc.sig, id.signer, tc.chain); err == nil {
			t.Errorf("%s: %d bytes", name, len(der))
		}
	}
}

func TestSignerVerifyRefuses(t *testing.T) {
	for _, kind := range []string{"EC-EC", "RSA-EC"} {
		id := identityOf(t, kind)
		attrs := SignedAttributes([]byte("text"), epoch, id.signer)
		sig := id.sign(t, attrs)
		other := identityOf(t, "EC-PSS").signer
		if kind == "RSA-EC" {
			other = identityOf(t, "RSA-PSS").signer
		}
		changed := append([]byte(nil), sig...)
		changed[len(changed)-1] ^= 1
		for name, err := range map[string]error{
			"other attributes": id.signer.Verify(SignedAttributes([]byte("texT"), epoch, id.signer), sig),
			"changed":          id.signer.Verify(attrs, changed),
			"bytes after":      id.signer.Verify(attrs, append(append([]byte(nil), sig...), 0)),
			"empty":            id.signer.Verify(attrs, nil),
			"other signer":     other.Verify(attrs, sig),
		} {
			if !errors.Is(err, ErrSignature) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
		}
	}
}

func TestParseSignerRefuses(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent := leafTemplate(0)
	small := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	good := identityOf(t, "EC-EC").leaf.Raw
	for name, der := range map[string][]byte{
		"empty":       nil,
		"P-384":       testkit.Certify(t, leafTemplate(0), parent, p384.Public(), issuer).Raw,
		"RSA-1024":    testkit.Certify(t, leafTemplate(0), parent, small, issuer).Raw,
		"bytes after": append(append([]byte(nil), good...), 0),
		"cut":         good[:len(good)-1],
		"a CMS":       identityOf(t, "EC-EC").answer(t, nil, epoch),
	} {
		if _, err := ParseSigner(der); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
