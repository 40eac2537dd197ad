package client

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/signum-mssp/signum"
)

// parts holds the fields of an answer as text, the same for both wires.
type parts struct {
	scalars
	header          signum.Header
	transID, msisdn string
	profiles        []string
	signature       string // Base64; empty if there is none
	status          string
	services        []signum.ServiceResponse
	receipt         *signum.ReceiptResponseExtension
	profile         *signum.ProfileExtension
}

var errStatusMissing = errors.New("the status code is missing")

func (p *parts) message(op signum.Operation) (signum.Response, error) {
	if p.status == "" {
		return nil, errStatusMissing
	}
	n, err := strconv.ParseUint(strings.TrimSpace(p.status), 10, 16)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("status code %q", p.status)
	}
	status := signum.Code(n)
	der := p.base64("the signature", p.signature)
	if p.err != nil {
		return nil, p.err
	}
	switch op {
	case signum.OpStatus:
		return &signum.StatusResponse{
			Header: p.header, MSISDN: p.msisdn, Signature: der, Status: status, Services: p.services,
		}, nil
	case signum.OpReceipt:
		return &signum.ReceiptResponse{Header: p.header, Status: status, Extension: p.receipt}, nil
	case signum.OpProfile:
		return &signum.ProfileResponse{
			Header: p.header, Profiles: p.profiles, Status: status, Extension: p.profile,
		}, nil
	}
	r := &signum.SignatureResponse{
		Header: p.header, TransID: p.transID, MSISDN: p.msisdn, Signature: der, Status: status, Services: p.services,
	}
	if len(p.profiles) != 0 {
		r.Profile = p.profiles[0]
	}
	return r, nil
}

// scalars reads values that both wires write as text, and keeps the first error.
// A value that cannot be read is an error, because false or nothing in its place
// would be a claim.
type scalars struct{ err error }

func (s *scalars) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// boolean reads an xs:boolean. It returns nil if there is none.
func (s *scalars) boolean(what, text string) *bool {
	var b bool
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "":
		return nil
	case "true", "1":
		b = true
	case "false", "0":
	default:
		s.fail(fmt.Errorf("%s %q is not a boolean", what, text))
		return nil
	}
	return &b
}

// flag reads an xs:boolean that is false if it is absent.
func (s *scalars) flag(what, text string) bool {
	b := s.boolean(what, text)
	return b != nil && *b
}

// base64 reads Base64 that may be broken into lines. It returns nil for an empty
// text.
func (s *scalars) base64(what, text string) []byte {
	if text = strings.Join(strings.Fields(text), ""); text == "" {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		s.fail(fmt.Errorf("%s: %w", what, err))
		return nil
	}
	return b
}

// chain pairs certificates with the names of their subjects. If there are not as
// many names as certificates, the names are left out: the certificates have them
// too.
func (s *scalars) chain(certs, names []string) []signum.ChainCertificate {
	var chain []signum.ChainCertificate
	for i, c := range certs {
		link := signum.ChainCertificate{DER: s.base64("a certificate", c)}
		if len(names) == len(certs) {
			link.Subject = names[i]
		}
		chain = append(chain, link)
	}
	return chain
}

// makeFault rebuilds a fault from its subcode, _401 or mss:_401.
func makeFault(subcode, detail, reason string) error {
	s := strings.TrimSpace(subcode)
	s = strings.TrimPrefix(s[strings.LastIndexByte(s, ':')+1:], "_")
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("a fault without an MSS code (subcode %q, reason %q)", subcode, reason)
	}
	return &signum.Fault{Code: signum.Code(n), Detail: strings.TrimSpace(detail)}
}

// parseAccuracy reads metres, which some services write with a fraction. What
// cannot be read is an error, because zero would claim an exact location.
func parseAccuracy(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f < 1<<31) {
		return 0, fmt.Errorf("geofencing accuracy %q", s)
	}
	return int(f), nil
}
