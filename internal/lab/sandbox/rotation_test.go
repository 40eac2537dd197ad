package sandbox

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ocsp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
)

// TestRotatedCA: after the issuing CA was replaced, an App that was enrolled before signs with
// its certificate and the chain of the former CA, which publishes the status. A new App gets a
// certificate of the new CA.
func TestRotatedCA(t *testing.T) {
	t.Parallel()
	const before, after = "+41791000002", "+41791230000" // one has an App, the other has no account
	dir := t.TempDir()
	// The same address in both runs, or the App would get another certificate for that.
	const public = "http://pki.invalid"
	box, stop := runUntil(t, Config{Dir: dir, PublicURL: public})
	first := signedBy(t, box, before, box.CA.Root())
	stop()
	root := retireCA(t, filepath.Join(dir, "private", "ca"))

	box, _ = runUntil(t, Config{Dir: dir, PublicURL: public})
	second := signedBy(t, box, before, root)
	if !second.Certificate.Equal(first.Certificate) || !second.Chain[1].Equal(first.Chain[1]) {
		t.Errorf("chain %v, before %v", second.Chain, first.Chain)
	}
	i, err := box.Invite(t.Context(), after)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.SoftApps.Enrol(t.Context(), i.Code, softapp.EnrolOptions{}); err != nil {
		t.Fatal(err)
	}
	third := signedBy(t, box, after, box.CA.Root())
	if third.Chain[1].Equal(first.Chain[1]) {
		t.Error("the former CA still issues")
	}
	if err := box.CA.Revoke(t.Context(), second.Certificate.SerialNumber.Text(16), ocsp.KeyCompromise); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		s       *client.Signature
		status  int
		entries int
	}{{second, ocsp.Revoked, 1}, {third, ocsp.Good, 0}} {
		checkStatus(t, box, tc.s, tc.status, tc.entries)
	}
}

// checkStatus asks OCSP and CRL about a signer's certificate, at the addresses that it names.
func checkStatus(t *testing.T, box *Sandbox, s *client.Signature, status, entries int) {
	t.Helper()
	leaf, issuing := s.Certificate, s.Chain[1]
	request, err := ocsp.CreateRequest(leaf, issuing, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ocsp.ParseResponseForCert(fetchPKI(t, box, leaf.OCSPServer[0], request), leaf, issuing)
	if err != nil || r.Status != status {
		t.Errorf("%v: OCSP %+v, %v", issuing.Subject, r, err)
	}
	crl, err := x509.ParseRevocationList(fetchPKI(t, box, leaf.CRLDistributionPoints[0], nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := crl.CheckSignatureFrom(issuing); err != nil || len(crl.RevokedCertificateEntries) != entries {
		t.Errorf("%v: CRL with %d entries, %v", issuing.Subject, len(crl.RevokedCertificateEntries), err)
	}
	if got := fetchPKI(t, box, leaf.IssuingCertificateURL[0], nil); !bytes.Equal(got, issuing.Raw) {
		t.Errorf("%v: another certificate at caIssuers", issuing.Subject)
	}
}

// signedBy makes the App of a user sign, and verifies the signature with one root.
func signedBy(t *testing.T, box *Sandbox, msisdn string, root *x509.Certificate) *client.Signature {
	t.Helper()
	if err := box.Behave(msisdn, person.Behaviour{Do: person.Approve}); err != nil {
		t.Fatal(err)
	}
	c, _ := clientOf(t, box.Dir)
	resp, err := c.Sign(t.Context(), client.SignRequest{MSISDN: msisdn, Text: "Sandbox: Pay?", Profile: signum.ProfileDevice})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	s, err := client.Verify(resp.Signature, roots)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// retireCA moves the files of the CA in a directory to its former CAs, and returns the root.
func retireCA(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	block, _ := pem.Decode(read("root.pem"))
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	both := append(read("issuing.pem"), read("root.pem")...)
	if err := os.MkdirAll(filepath.Join(dir, "former"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"first.pem": both, "first.key": read("issuing.key"), "first.root.crl": read("root.crl")} {
		if err := os.WriteFile(filepath.Join(dir, "former", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"issuing.pem", "issuing.key", "root.pem", "root.key", "root.crl"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// fetchPKI gets what a certificate states, at the port that the PKI has now.
func fetchPKI(t *testing.T, box *Sandbox, address string, post []byte) []byte {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var resp *http.Response
	if post != nil {
		resp, err = http.Post(box.PKIListenerURL()+u.Path, "application/ocsp-request", bytes.NewReader(post))
	} else {
		resp, err = http.Get(box.PKIListenerURL() + u.Path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", u.Path, resp.Status, err)
	}
	return data
}
