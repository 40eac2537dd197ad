package main

import (
	"cmp"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// Values of result.Verification.
const (
	verifiedOK  = "ok"
	notChecked  = "not_checked"
	notVerified = "failed"
)

// result is the outcome of a command, and with --json its output: one object
// on one line. Fields are only ever added.
type result struct {
	Status       int    `json:"status,omitempty"` // TS 102 204 code, of the answer or of the fault
	Reason       string `json:"reason,omitempty"` // its name
	Detail       string `json:"detail,omitempty"` // of a fault
	TransID      string `json:"trans_id,omitempty"`
	MSISDN       string `json:"msisdn,omitempty"`
	Profile      string `json:"profile,omitempty"`
	Verification string `json:"verification,omitempty"` // ok, not_checked or failed
	Problem      string `json:"verification_error,omitempty"`
	Text         string `json:"text,omitempty"`         // that was signed, once verified
	Signer       string `json:"signer,omitempty"`       // serialNumber of the certificate's subject
	Certificate  string `json:"certificate,omitempty"`  // serial number of the certificate, hex
	SigningTime  string `json:"signing_time,omitempty"` // RFC 3339, UTC
	ValidAt      string `json:"valid_at,omitempty"`     // RFC 3339, UTC: when the certificates were valid
	CMS          []byte `json:"cms,omitempty"`          // Base64 of the DER
	ElapsedMS    int64  `json:"elapsed_ms,omitempty"`

	// Answers to additional services.
	Location *location `json:"location,omitempty"`
	AuthURI  string    `json:"auth_uri,omitempty"`
	Code     string    `json:"verification_code,omitempty"`
	MCCMNC   string    `json:"mccmnc,omitempty"`

	// Of a receipt.
	UserAnswer   string `json:"user_answer,omitempty"`
	FaultMessage string `json:"fault_message,omitempty"`

	out  string // file the CMS went to
	file string // roots it was verified by
}

// jsonHelp documents the output of the commands that ask a service.
const jsonHelp = `With --json, standard output is one JSON object on one line. Fields that do not
apply are left out. If the service was not reached, nothing is printed:

  status              number: 500 signed, 502 signed and validated, 504 outstanding,
                      100 one-time password sent, or the code of the fault
  reason, detail      the name of the code; the service's explanation of a fault
  trans_id            MSSP_TransID
  msisdn, profile     as in the answer
  verification        "ok", "failed", or "not_checked" without a --user-ca
` + signatureFields + `
  elapsed_ms          how long it took
  location            where the phone was: country, accuracy (metres), timestamp,
                      device_confidence, location_confidence; or why that is not
                      known: error_code, error_message
  auth_uri            what the party's app must open (--app2app)
  verification_code   what the user must choose (--verification-code)
  mccmnc              mobile country and network code of the user's SIM`

// verifyJSONHelp documents that of verify.
const verifyJSONHelp = `With --json, standard output is one JSON object on one line. Fields that do not
apply are left out:

  verification        "ok" or "failed"
` + signatureFields

const signatureFields = `  verification_error  why it failed
  text, signer        what was signed and by which account, once verified
  certificate         serial number of the signer's certificate, hex
  signing_time        RFC 3339, UTC; absent if the signature states none
  valid_at            at which time the certificates were found valid: that of --at,
                      else the signing time, else the time of the check; once verified
  cms                 the signature, Base64 of the DER`

// failed explains an error. With asJSON it also prints a fault, with what is
// known, as JSON.
func failed(cmd *cobra.Command, known result, asJSON bool, err error) error {
	if f := signum.AsFault(err); f != nil && asJSON {
		known.Status, known.Reason, known.Detail = int(f.Code), f.Code.String(), f.Detail
		if err := known.print(cmd.OutOrStdout(), true); err != nil {
			return err
		}
	}
	return explain(err)
}

// services copies the answers of additional services. It keeps earlier ones: the
// address of App2App comes with the first answer only.
func (r *result) services(all []signum.ServiceResponse) {
	if l := client.Location(all); l != nil {
		r.Location = newLocation(l)
	}
	r.AuthURI = cmp.Or(client.AuthURI(all), r.AuthURI)
	r.Code = cmp.Or(client.VerificationCode(all), r.Code)
	r.MCCMNC = cmp.Or(client.MCCMNC(all), r.MCCMNC)
}

// verify checks a signature. If text is not nil, exactly that must have been signed.
func (r *result) verify(signature []byte, o client.VerifyOptions, t trust, text *string) error {
	r.Verification, r.file = notChecked, t.file
	if t.roots == nil {
		return nil
	}
	o.Roots = t.roots
	sig, err := client.VerifyWith(signature, o)
	if err == nil && text != nil && sig.Text != *text {
		err = fmt.Errorf("the user signed another text: %q", sig.Text)
	}
	if err != nil {
		r.Verification, r.Problem = notVerified, printable(err.Error())
		return &exitError{exitNotVerified, fmt.Errorf("the signature does not verify: %s; %s", r.Problem, advice(err, o))}
	}
	r.Verification, r.Text, r.Signer, r.CMS = verifiedOK, sig.Text, sig.Serial, sig.CMS
	r.Certificate = sig.Certificate.SerialNumber.Text(16)
	if !sig.SigningTime.IsZero() {
		r.SigningTime = sig.SigningTime.UTC().Format(time.RFC3339)
	}
	r.ValidAt = sig.ValidAt.Format(time.RFC3339)
	return nil
}

// advice says what to do about a signature that does not verify.
func advice(err error, o client.VerifyOptions) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, client.ErrDetached):
		return "give the file that was signed with --content"
	case errors.Is(err, client.ErrNoCertificate):
		return "give the signer's certificate with --certs"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "do not rely on it, unless --user-ca names the wrong root or an intermediate is missing (--certs)"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && o.At.IsZero():
		return "do not rely on it, unless it came at another time and states none (--at)"
	}
	return "do not rely on it"
}

// store writes the CMS to the file of --out, if there is one.
func (r *result) store(out string) error {
	if out == "" {
		return nil
	}
	if err := os.WriteFile(out, r.CMS, 0o644); err != nil {
		return fmt.Errorf("--out: the signature was made but could not be stored: %w", err)
	}
	r.out = out
	return nil
}

// print writes the result for people, or as JSON.
func (r *result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	var t rows
	if r.Status != 0 {
		t.add("Status", fmt.Sprintf("%d %s", r.Status, r.Reason))
	}
	t.add("Number", r.MSISDN)
	t.add("Transaction", r.TransID)
	t.add("Profile", r.Profile)
	if r.Text != "" {
		t.add("Text", fmt.Sprintf("%q", r.Text))
	}
	t.add("Signer", r.Signer)
	t.add("Certificate", r.Certificate)
	t.add("Signed at", r.SigningTime)
	if r.ValidAt != r.SigningTime {
		t.add("Checked at", r.ValidAt)
	}
	switch r.Verification {
	case verifiedOK:
		t.add("Verified", "yes, by "+r.file)
	case notVerified:
		t.add("Verified", "NO: "+r.Problem)
	case notChecked:
		t.add("Verified", "NO, not checked: give the root of the users' certificates with --user-ca")
	}
	if r.Location != nil {
		t.add("Location", r.Location.String())
		t.add("Confidence", r.Location.confidence())
	}
	t.add("Network", r.MCCMNC)
	t.add("User", userAnswers[r.UserAnswer])
	t.add("Message", r.FaultMessage)
	if r.out != "" {
		t.add("CMS", fmt.Sprintf("%d bytes in %s", len(r.CMS), r.out))
	}
	if r.ElapsedMS != 0 {
		t.add("Took", (time.Duration(r.ElapsedMS) * time.Millisecond).String())
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// rows are names and values in two columns, for people.
type rows struct{ strings.Builder }

// add writes a row unless the value is empty. Values come partly from the service,
// so they are escaped.
func (r *rows) add(name, value string) {
	if value != "" {
		fmt.Fprintf(r, "%-12s %s\n", name, printable(value))
	}
}

// printJSON writes one object on one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
