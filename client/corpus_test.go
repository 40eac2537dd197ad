package client_test

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/client"
)

const corpusText = "Bank: Zürich, pay CHF 10?\r\n"

// sample is a signature of the corpus.
type sample struct {
	name   string
	form   string // of openssl: DER, PEM, SMIME
	data   []byte
	args   []string             // of openssl, beside the usual
	o      client.VerifyOptions // beside roots and time
	differ string               // why it is refused although openssl accepts it
	bad    bool                 // both refuse it
}

// TestCorpus compares verdicts with openssl: what it accepts is accepted, with the
// same content, and what it refuses is refused.
func TestCorpus(t *testing.T) {
	ca := newCorpusCA(t)
	for _, s := range opensslCorpus(t, ca) {
		t.Run(s.name, func(t *testing.T) { s.compare(t, ca) })
	}
}

func (s *sample) compare(t *testing.T, ca *corpusCA) {
	o := s.o
	o.Roots = ca.roots
	if o.At.IsZero() {
		o.At = corpusTime
	}
	got, err := client.VerifyWith(s.data, o)
	want, refused := ca.openssl(t, s.form, ca.rootPEM, o.At, s.data, s.args...)
	switch {
	case s.bad != (refused != nil):
		t.Errorf("openssl: %v", refused)
	case refused == nil && s.differ != "":
		if err == nil {
			t.Errorf("accepted, although %s", s.differ)
		}
	case refused == nil && err != nil:
		t.Errorf("openssl accepts it, and here: %v", err)
	case refused == nil && got.Text != string(want):
		t.Errorf("%q, but openssl reads %q", got.Text, want)
	case refused != nil && err == nil:
		t.Errorf("accepted, but openssl says %v", refused)
	}
}

// opensslCorpus is what openssl makes.
func opensslCorpus(t *testing.T, ca *corpusCA) (all []sample) {
	ec, rsa := ca.signer(t, "EC", nil), ca.signer(t, "RSA", nil)
	p384 := ca.signer(t, "P-384", nil)
	mail := ca.signer(t, "EC", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} })
	plain := ca.signer(t, "EC", func(c *x509.Certificate) { c.ExtKeyUsage, c.KeyUsage = nil, 0 })
	repudiate := ca.signer(t, "EC", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageContentCommitment })
	server := ca.signer(t, "EC", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	expired := ca.signer(t, "EC", func(c *x509.Certificate) { c.NotAfter = corpusTime.AddDate(0, 0, -1) })

	add := func(name, form string, data []byte, change ...func(*sample)) {
		s := sample{name: name, form: form, data: data}
		for _, c := range change {
			c(&s)
		}
		all = append(all, s)
	}
	bad := func(s *sample) { s.bad = true }
	differs := func(why string) func(*sample) { return func(s *sample) { s.differ = why } }
	der := []string{"-nodetach", "-binary", "-outform", "DER", "-certfile", ca.issuingPEM}
	with := func(args ...string) []string { return append(args, der...) }

	for name, args := range map[string][]string{
		"plain":           {},
		"stream":          {"-stream"},
		"no capabilities": {"-nosmimecap"},
		"key identifier":  {"-keyid"},
		"CAdES":           {"-cades"},
		"SHA-384":         {"-md", "sha384"},
		"SHA-512":         {"-md", "sha512"},
		"everything":      {"-stream", "-cades", "-nosmimecap", "-keyid", "-md", "sha512"},
		"root in it":      {"-certfile", ca.rootPEM},
	} {
		add("EC/"+name, "DER", ec.sign(t, corpusText, with(args...)...))
		add("RSA/"+name, "DER", rsa.sign(t, corpusText, with(args...)...))
		if slices.Contains(args, "-stream") { // openssl 3.0 cannot stream with -keyopt
			continue
		}
		add("PSS/"+name, "DER", rsa.sign(t, corpusText, with(append(args, "-keyopt", "rsa_padding_mode:pss")...)...))
	}
	add("P-384", "DER", p384.sign(t, corpusText, with("-md", "sha384")...))
	add("empty", "DER", ec.sign(t, "", with()...))
	add("large, stream", "DER", ec.sign(t, string(make([]byte, 100_000)), with("-stream")...))
	for _, salt := range []string{"digest", "max", "20", "0"} {
		add("PSS/salt "+salt, "DER", rsa.sign(t, corpusText, with("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:"+salt)...))
	}
	pss := ca.pssSigner(t)
	add("key for PSS alone", "DER", pss.sign(t, corpusText, with("-keyopt", "rsa_padding_mode:pss")...), func(s *sample) { s.o.At = time.Now() })
	good := ec.sign(t, corpusText, with()...)
	add("zeros after it", "DER", append(good[:len(good):len(good)], make([]byte, 64)...))
	add("anything after it", "DER", append(good[:len(good):len(good)], "anything"...))
	var bag []byte
	for _, other := range []*corpusSigner{rsa, p384, mail, plain, repudiate, server, expired} {
		bag = append(bag, pemOf("CERTIFICATE", other.leaf.Raw)...)
	}
	bag = append(append(bag, pemOf("CERTIFICATE", ca.root.Raw)...), pemOf("CERTIFICATE", ca.issuing.Raw)...)
	add("many certificates", "DER", ec.sign(t, corpusText, "-nodetach", "-binary", "-outform", "DER", "-certfile", ca.file(t, "bag.pem", bag)))
	add("cut", "DER", good[:len(good)-1], bad)
	add("no intermediate", "DER", ec.sign(t, corpusText, "-nodetach", "-binary", "-outform", "DER"), bad)
	add("no certificates", "DER", ec.sign(t, corpusText, with("-nocerts")...), bad)
	add("certificates are given", "DER", ec.sign(t, corpusText, with("-nocerts")...), func(s *sample) {
		s.o.Certificates = []*x509.Certificate{ca.issuing, ec.leaf}
		s.args = []string{"-certfile", ec.certPEM}
	})
	add("detached", "DER", ec.sign(t, corpusText, "-binary", "-outform", "DER", "-certfile", ca.issuingPEM), bad)
	add("detached, with content", "DER", ec.sign(t, corpusText, "-binary", "-outform", "DER", "-certfile", ca.issuingPEM), func(s *sample) {
		s.o.Content, s.args = []byte(corpusText), []string{"-content", ca.file(t, "content", []byte(corpusText))}
	})
	add("detached, other content", "DER", ec.sign(t, corpusText, "-binary", "-outform", "DER", "-certfile", ca.issuingPEM), func(s *sample) {
		s.bad = true
		s.o.Content, s.args = []byte("other"), []string{"-content", ca.file(t, "other", []byte("other"))}
	})

	add("PEM", "PEM", ec.sign(t, corpusText, "-nodetach", "-binary", "-outform", "PEM", "-certfile", ca.issuingPEM))
	add("PEM, stream", "PEM", ec.sign(t, corpusText, "-nodetach", "-binary", "-stream", "-outform", "PEM", "-certfile", ca.issuingPEM))
	add("PEM of PKCS7", "PEM", pemOf("PKCS7", good))
	add("PEM after text", "PEM", append([]byte("A signature: of a file\n\n"), pemOf("CMS", good)...))
	add("PEM after a certificate", "PEM", append(pemOf("CERTIFICATE", ec.leaf.Raw), pemOf("CMS", good)...), bad)
	add("PEM of a certificate", "PEM", pemOf("CERTIFICATE", ec.leaf.Raw), bad)
	add("S/MIME", "SMIME", ec.sign(t, corpusText, "-nodetach", "-certfile", ca.issuingPEM))
	add("S/MIME, stream", "SMIME", ec.sign(t, corpusText, "-nodetach", "-stream", "-certfile", ca.issuingPEM))
	add("S/MIME with a subject", "SMIME", ec.sign(t, corpusText, "-nodetach", "-certfile", ca.issuingPEM, "-subject", "Hello", "-from", "a@example.org"))
	add("multipart", "SMIME", ec.sign(t, corpusText, "-certfile", ca.issuingPEM))
	add("multipart of text", "SMIME", ec.sign(t, corpusText, "-text", "-certfile", ca.issuingPEM))
	add("multipart, LF", "SMIME", ec.sign(t, "one\ntwo\n", "-certfile", ca.issuingPEM))
	add("multipart, binary", "SMIME", ec.sign(t, "one\r\ntwo", "-binary", "-certfile", ca.issuingPEM))

	add("purpose e-mail", "DER", mail.sign(t, corpusText, with()...))
	add("no purpose", "DER", plain.sign(t, corpusText, with()...))
	add("non-repudiation", "DER", repudiate.sign(t, corpusText, with()...))
	add("purpose server", "DER", server.sign(t, corpusText, with()...), differs("its certificate is for servers"))
	add("expired", "DER", expired.sign(t, corpusText, with()...), bad)
	add("no attributes", "DER", ec.sign(t, corpusText, with("-noattr")...), differs("nothing says that the text is not the attributes of another signature"))
	add("SHA-1", "DER", ec.sign(t, corpusText, with("-md", "sha1")...), differs("SHA-1 is broken"))
	add("SHA-224", "DER", ec.sign(t, corpusText, with("-md", "sha224")...), differs("the digest is shorter than 256 bits"))
	add("other content type", "DER", ec.sign(t, corpusText, with("-econtent_type", "1.2.3.4")...), differs("the content is no text"))
	add("two signers", "DER", ec.sign(t, corpusText, with("-signer", mail.certPEM, "-inkey", mail.keyPEM)...), differs("only one of several signers could be named"))
	return all
}

// Intermediates that the CMS does not hold may be given; openssl takes them from its
// files only.
func TestGivenIntermediate(t *testing.T) {
	ca := newCorpusCA(t)
	der := ca.signer(t, "EC", nil).sign(t, corpusText, "-nodetach", "-binary", "-outform", "DER")
	o := client.VerifyOptions{Roots: ca.roots, At: corpusTime}
	if _, err := client.VerifyWith(der, o); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("without it: %v", err)
	}
	o.Certificates = []*x509.Certificate{ca.issuing}
	if got, err := client.VerifyWith(der, o); err != nil || len(got.Chain) != 3 {
		t.Errorf("with it: %v", err)
	}
}

// Base64 is no form of openssl.
func TestBase64(t *testing.T) {
	ca := newCorpusCA(t)
	der := ca.signer(t, "EC", nil).sign(t, corpusText, "-nodetach", "-binary", "-stream", "-outform", "DER", "-certfile", ca.issuingPEM)
	text := base64.StdEncoding.EncodeToString(der)
	for name, data := range map[string]string{
		"one line":    text,
		"line breaks": text[:64] + "\r\n" + text[64:128] + "\n" + text[128:] + "\n",
		"spaces":      "  " + text[:10] + " \t" + text[10:] + "\r\n\r\n",
	} {
		got, err := client.VerifyWith([]byte(data), client.VerifyOptions{Roots: ca.roots, At: corpusTime})
		if err != nil || got.Text != corpusText || string(got.CMS) != string(der) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// formsTime is a time at which the certificates in testdata/cms are valid.
var formsTime = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// Signatures that were made once, in forms that are known from other services: BER
// with indefinite lengths, zeros at the end, and, as the public Mobile ID service
// makes them, without a signing time and with a nonce, also under a root with RSA-8192
// and an issuing CA with RSA-4096 and PSS.
func TestKnownForms(t *testing.T) {
	at := formsTime
	for name, tc := range map[string]struct {
		root, text string
		timed      bool
	}{
		"cms-ber-indefinite": {"cms-ca", "Sandbox: Log in to example.com?", true},
		"cms-trailing-zeros": {"cms-ca", "Sandbox: Log in to example.com?", true},
		"pub-der":            {"pub-ca", "Sandbox: public token", false},
		"pub-ber-indefinite": {"pub-ca", "Sandbox: public token", false},
		"pub-pss-stream":     {"pub-pss-ca", "Bank: public form with a PSS chain", false},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile("testdata/cms/" + name + ".der")
			if err != nil {
				t.Fatal(err)
			}
			root := "testdata/cms/" + tc.root + ".pem"
			roots, err := client.LoadRoots(root)
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.VerifyWith(data, client.VerifyOptions{Roots: roots, At: at})
			if err != nil {
				t.Fatal(err)
			}
			if got.Text != tc.text || got.SigningTime.IsZero() == tc.timed || !got.ValidAt.Equal(at) || !strings.HasPrefix(got.Serial, "MIDCHE") {
				t.Errorf("%+v", got)
			}
			if content, err := (&corpusCA{}).openssl(t, "DER", root, at, data); err != nil || string(content) != tc.text {
				t.Errorf("openssl reads %q, %v", content, err)
			}
			// Without a time the signing time counts, else the present.
			got, err = client.Verify(data, roots)
			switch now := time.Now(); {
			case tc.timed && (err != nil || !got.ValidAt.Equal(got.SigningTime)):
				t.Errorf("at the signing time: %v", err)
			case !tc.timed && err == nil && now.Sub(got.ValidAt).Abs() > time.Hour:
				t.Errorf("verified at %v", got.ValidAt)
			case !tc.timed && err != nil && !errors.As(err, new(x509.CertificateInvalidError)):
				t.Errorf("now: %v", err)
			}
		})
	}
}
