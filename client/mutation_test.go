package client_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/client"
)

// deliberate lists the errors for which a changed signature is refused, although
// openssl accepts it: docs/divergences.md says why.
var deliberate = []string{
	"malformed CMS: the content is not of type id-data",
	"malformed CMS: signature algorithm",   // openssl ignores it if the key leaves no choice
	"signer's certificate: not in the CMS", // openssl ignores the case of letters in the issuer's name
	"OCTET STRING with a part of another type",
}

// unreadable is what openssl says of a certificate that it cannot read. Here it is
// ignored, unless the path needs it.
const unreadable = "Type=CMS_CertificateChoices"

// TestMutations changes signatures at random places. The verdict must be that of
// openssl, with the same content.
func TestMutations(t *testing.T) {
	ca := newCorpusCA(t)
	ec, rsa := ca.signer(t, "EC", nil), ca.signer(t, "RSA", nil)
	args := []string{"-nodetach", "-binary", "-outform", "DER", "-certfile", ca.issuingPEM, "-nosmimecap"}
	type base struct {
		good  []byte
		root  string // file
		roots *x509.CertPool
		at    time.Time
	}
	bases := map[string]base{}
	for name, good := range map[string][]byte{
		"DER":            ec.sign(t, "text", args...),
		"key identifier": ec.sign(t, "text", append(args, "-keyid")...),
		"stream":         ec.sign(t, "text", append(args, "-stream")...),
		"PSS":            rsa.sign(t, "text", append(args, "-keyopt", "rsa_padding_mode:pss")...),
	} {
		bases[name] = base{good, ca.rootPEM, ca.roots, corpusTime}
	}
	for name, root := range map[string]string{"pub-ber-indefinite": "pub-ca", "pub-pss-stream": "pub-pss-ca"} {
		b := base{good: read(t, "testdata/cms/"+name+".der"), root: "testdata/cms/" + root + ".pem", at: formsTime}
		var err error
		if b.roots, err = client.LoadRoots(b.root); err != nil {
			t.Fatal(err)
		}
		bases[name] = b
	}
	for name, b := range bases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			for range 45 {
				bad, how := mutate(r, b.good)
				got, err := client.VerifyWith(bad, client.VerifyOptions{Roots: b.roots, At: b.at})
				want, refused := ca.openssl(t, "DER", b.root, b.at, bad)
				switch {
				case refused == nil && err != nil && !isDeliberate(err):
					t.Errorf("%s: openssl accepts it, and here: %v", how, err)
				case refused == nil && err == nil && got.Text != string(want):
					t.Errorf("%s: %q, but openssl reads %q", how, got.Text, want)
				case refused != nil && err == nil && !strings.Contains(refused.Error(), unreadable):
					t.Errorf("%s: accepted, but openssl says %v", how, refused)
				}
			}
		})
	}
}

func isDeliberate(err error) bool {
	for _, text := range deliberate {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// mutate changes one byte, deletes it or inserts one. It does not make a constructed
// element primitive: openssl does not look at that bit, and takes what no
// encoder writes.
func mutate(r *rand.Rand, good []byte) (bad []byte, how string) {
	i, b := r.IntN(len(good)), byte(r.IntN(256))
	switch r.IntN(8) {
	case 0:
		return append(bytes.Clone(good[:i]), good[i+1:]...), fmt.Sprintf("byte %d deleted", i)
	case 1:
		return append(append(bytes.Clone(good[:i]), b), good[i:]...), fmt.Sprintf("%#x inserted as byte %d", b, i)
	case 2:
		b = []byte{0, 1, 0x7f, 0x80, 0xff, 0x30, 0x24, 0xa0}[r.IntN(8)]
	default:
		b = good[i] ^ 1<<r.IntN(8)
	}
	if good[i]&^b == 0x20 && b&^good[i] == 0 {
		b = good[i] ^ 1
	}
	bad = bytes.Clone(good)
	bad[i] = b
	return bad, fmt.Sprintf("byte %d from %#x to %#x", i, good[i], b)
}
