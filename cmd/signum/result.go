package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// How a signature stands, in result.Verification.
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
	CMS          []byte `json:"cms,omitempty"`          // Base64 of the DER
	ElapsedMS    int64  `json:"elapsed_ms,omitempty"`

	out  string // file the CMS went to
	file string // roots it was verified by
}

const jsonHelp = `With --json, standard output is one JSON object on one line. Fields that do not
apply are left out; there is none if the service was not reached:

  status              number: 500 signed, 504 outstanding, or the code of the fault
  reason, detail      the code's name; what the service said of a fault
  trans_id            MSSP_TransID
  msisdn, profile     as answered
  verification        "ok", "failed", or "not_checked" if no --user-ca is known
  verification_error  why it failed
  text, signer        what was signed and by which account, once verified
  certificate         serial number of the signer's certificate, hex
  signing_time        RFC 3339, UTC
  cms                 the signature, Base64 of the DER
  elapsed_ms          how long it took`

// faultResult describes a fault; ok is false if err is none.
func faultResult(err error) (r result, ok bool) {
	f := signum.AsFault(err)
	if f == nil {
		return r, false
	}
	return result{Status: int(f.Code), Reason: f.Code.String(), Detail: f.Detail}, true
}

// verify checks the CMS. With text not nil, that must be what was signed.
func (r *result) verify(t trust, text *string) error {
	r.Verification, r.file = notChecked, t.file
	if t.roots == nil {
		return nil
	}
	sig, err := client.Verify(r.CMS, t.roots)
	if err == nil && text != nil && sig.Text != *text {
		err = fmt.Errorf("another text was signed: %q", sig.Text)
	}
	if err != nil {
		r.Verification, r.Problem = notVerified, printable(err.Error())
		return &exitError{exitNotVerified, fmt.Errorf("the signature does not verify: %s; do not rely on it", r.Problem)}
	}
	r.Verification, r.Text, r.Signer = verifiedOK, sig.Text, sig.Serial
	r.Certificate = sig.Certificate.SerialNumber.Text(16)
	if !sig.SigningTime.IsZero() {
		r.SigningTime = sig.SigningTime.UTC().Format(time.RFC3339)
	}
	return nil
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
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	var b strings.Builder
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", name, value)
		}
	}
	if r.Status != 0 {
		row("Status", fmt.Sprintf("%d %s", r.Status, r.Reason))
	}
	row("Number", printable(r.MSISDN))
	row("Transaction", printable(r.TransID))
	row("Profile", printable(r.Profile))
	if r.Text != "" {
		row("Text", fmt.Sprintf("%q", r.Text))
	}
	row("Signer", printable(r.Signer))
	row("Certificate", r.Certificate)
	row("Signed at", r.SigningTime)
	switch r.Verification {
	case verifiedOK:
		row("Verified", "yes, by "+r.file)
	case notVerified:
		row("Verified", "NO: "+r.Problem)
	case notChecked:
		row("Verified", "NO, it was not checked: no root certificate of the users is known, see --user-ca")
	}
	if r.out != "" {
		row("CMS", fmt.Sprintf("%d bytes in %s", len(r.CMS), r.out))
	}
	if r.ElapsedMS != 0 {
		row("Took", (time.Duration(r.ElapsedMS) * time.Millisecond).String())
	}
	_, err := io.WriteString(w, b.String())
	return err
}
