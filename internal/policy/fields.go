package policy

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lang"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Bounds of a request's fields.
const (
	DefaultSkew       = 5 * time.Minute
	DefaultMinTimeout = 15 * time.Second
	MaxTimeout        = 300 * time.Second
	maxTransID        = 128 // characters of AP_TransID
	maxMSISDNSent     = 40  // bytes, separators included
)

// Times are the settings of a service that its checks of times depend on.
type Times struct {
	Skew       time.Duration // how far a request's Instant may be off
	MinTimeout time.Duration // the shortest TimeOut that a request may name
}

// Fields are the parsed fields of a signature request.
type Fields struct {
	Instant time.Time
	MSISDN  string        // E.164 with leading +
	Async   bool          // messaging mode
	Timeout time.Duration // 0: the method's default
	Lang    string        // one of lang.All
}

// Authenticate decides whether the caller is the party by its certificate and
// where it calls from; p is nil
// if there is no such party. AP_PWD is checked afterwards.
func Authenticate(p *mssp.Party, c mssp.Caller) error {
	switch {
	case p == nil && c.Problem != "":
		return BadCredentials("unknown AP_ID; " + c.Problem)
	case p == nil:
		return BadCredentials("unknown AP_ID")
	case c.Problem != "":
		return BadCredentials(c.Problem)
	case !p.HasPin(c.Pin):
		return BadCredentials("the client certificate is not pinned to this AP_ID")
	case !p.Limits.Calls(c.Addr):
		return BadCredentials("the party must not call from " + c.Addr.String())
	}
	return nil
}

// BadCredentials returns the refusal of a caller who is not the party. All of them
// look alike, so that they give nothing away; only the log tells why.
func BadCredentials(why string) error {
	return mssp.Noted(signum.Faultf(signum.UnauthorizedAccess, signum.DetailCredentials), "%s", why)
}

var versions = map[signum.Operation][]signum.Version{
	signum.OpSignature: {{Major: "1", Minor: "1"}, {Major: "1", Minor: "2"}, {}},
	signum.OpStatus:    {{Major: "1", Minor: "1"}, {Major: "1", Minor: "2"}, {}},
	signum.OpReceipt:   {{Major: "1", Minor: "1"}, {Major: "1", Minor: "2"}, {}},
	signum.OpProfile:   {{Major: "2", Minor: "0"}, {Major: "1", Minor: "1"}, {Major: "1", Minor: "0"}, {}},
}

func checkVersion(op signum.Operation, v signum.Version) error {
	if slices.Contains(versions[op], v) {
		return nil
	}
	return mssp.Noted(signum.NewFault(signum.IncompatibleIface), "version %.8q/%.8q", v.Major, v.Minor)
}

func missing(name string) error {
	return signum.Faultf(signum.MissingParam, "%s is missing", name)
}

func wrong(format string, args ...any) error {
	return signum.Faultf(signum.WrongParam, format, args...)
}

func notDigits() error {
	return mssp.Noted(wrong(signum.DetailIllegalMSISDN), "the number has other characters than digits, or is too long")
}

// isFault reports whether err is a fault with this code.
func isFault(err error, c signum.Code) bool { return errors.Is(err, &signum.Fault{Code: c}) }

// firstMissing takes pairs of name and value and returns 102 for the first
// value that is empty.
func firstMissing(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return missing(pairs[i])
		}
	}
	return nil
}

// SignatureFields checks versions (108), presence (102) and values (101) of a
// signature request, in this order. The only check of a value that it leaves to
// others is LegalMSISDN.
func SignatureFields(p *mssp.Party, r *signum.SignatureRequest, now time.Time, times Times) (Fields, error) {
	var f Fields
	if err := checkVersion(signum.OpSignature, r.Version); err != nil {
		return f, err
	}
	if err := firstMissing("AP_TransID", r.AP.TransID, "Instant", r.AP.Instant, "MessagingMode", r.MessagingMode,
		"MSISDN", r.MSISDN, "DataToBeSigned", r.Data.Data); err != nil {
		return f, err
	}
	userLang, err := language(p, r.Services)
	if isFault(err, signum.MissingParam) {
		return f, err
	}
	langFault := err
	f.Lang = userLang
	if f.Instant, err = header(&r.Header, now, times.Skew); err != nil {
		return f, err
	}
	if f.Timeout, err = timeout(r.TimeOut, times.MinTimeout); err != nil {
		return f, err
	}
	var ok bool
	if f.MSISDN, ok = CanonicalMSISDN(r.MSISDN); !ok {
		return f, notDigits()
	}
	if langFault != nil {
		return f, langFault
	}
	switch r.MessagingMode {
	case signum.Synch:
	case signum.Asynch, signum.AsynchClientServer:
		f.Async = true
	default:
		return f, wrong("MessagingMode is not one of synch, asynch, asynchClientServer")
	}
	return f, nil
}

// StatusFields checks a status query, in the same order as SignatureFields.
func StatusFields(r *signum.StatusRequest, now time.Time, skew time.Duration) error {
	if err := checkVersion(signum.OpStatus, r.Version); err != nil {
		return err
	}
	if err := firstMissing("AP_TransID", r.AP.TransID, "Instant", r.AP.Instant, "MSSP_TransID", r.TransID); err != nil {
		return err
	}
	_, err := header(&r.Header, now, skew)
	return err
}

// ReceiptFields are the parsed fields of a receipt request.
type ReceiptFields struct {
	MSISDN string // E.164 with leading +
	Lang   string // empty: that of the signature
	Wait   bool   // for the user's answer
}

// CheckReceipt checks a receipt request, in the same order as SignatureFields.
// An unknown language is not a fault, because clients are known to send
// placeholders.
func CheckReceipt(r *signum.ReceiptRequest, now time.Time, skew time.Duration) (ReceiptFields, error) {
	f := ReceiptFields{Wait: true}
	if err := checkVersion(signum.OpReceipt, r.Version); err != nil {
		return f, err
	}
	if err := firstMissing("AP_TransID", r.AP.TransID, "Instant", r.AP.Instant, "MSSP_TransID", r.TransID,
		"MSISDN", r.MSISDN, "Message", r.Message.Data); err != nil {
		return f, err
	}
	if _, err := header(&r.Header, now, skew); err != nil {
		return f, err
	}
	var ok bool
	if f.MSISDN, ok = CanonicalMSISDN(r.MSISDN); !ok {
		return f, notDigits()
	}
	x := r.Extension
	if x == nil {
		return f, nil
	}
	if x.MessagingMode != "" && x.MessagingMode != signum.Synch {
		return f, wrong("ReceiptMessagingMode is not synch")
	}
	if f.Wait, ok = boolean(x.UserAck, true); !ok {
		return f, wrong("UserAck is not a boolean")
	}
	if l, ok := lang.Parse(x.Language); ok {
		f.Lang = l
	}
	return f, nil
}

// CheckProfile checks a profile query, in the same order as SignatureFields.
func CheckProfile(r *signum.ProfileRequest, now time.Time, skew time.Duration) (msisdn string, p Params, err error) {
	if err = checkVersion(signum.OpProfile, r.Version); err != nil {
		return "", p, err
	}
	if err = firstMissing("AP_TransID", r.AP.TransID, "Instant", r.AP.Instant, "MSISDN", r.MSISDN); err != nil {
		return "", p, err
	}
	if _, err = header(&r.Header, now, skew); err != nil {
		return "", p, err
	}
	msisdn, ok := CanonicalMSISDN(r.MSISDN)
	if !ok {
		return "", p, notDigits()
	}
	p, err = params(r)
	return msisdn, p, err
}

func header(h *signum.Header, now time.Time, skew time.Duration) (time.Time, error) {
	if !tokenLike(h.AP.TransID) {
		return time.Time{}, wrong("AP_TransID is not a token of at most %d characters", maxTransID)
	}
	at, ok := signum.ParseInstant(h.AP.Instant)
	if !ok {
		return at, wrong("Instant is not a dateTime with a time zone")
	}
	at = at.Truncate(time.Microsecond).UTC()
	if d := now.Sub(at); d > skew || d < -skew {
		return at, wrong("Instant differs from the time of the service by more than %s", skew)
	}
	return at, nil
}

// tokenLike is more liberal than NCName: real clients start with a digit and
// use separators that an NCName does not allow.
func tokenLike(s string) bool {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxTransID {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune("<>&\"'", r)
	})
}

func timeout(s string, least time.Duration) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	d := time.Duration(n) * time.Second
	if err != nil || n > int(MaxTimeout/time.Second) || d < least {
		return 0, wrong("TimeOut is not a number of seconds from %d to %d", int(least.Seconds()), int(MaxTimeout.Seconds()))
	}
	return d, nil
}

// language finds userLang, which is mandatory unless the party has a default
// language.
func language(p *mssp.Party, services []signum.AdditionalService) (string, error) {
	for _, s := range services {
		if s.URI != signum.ServiceUserLang {
			continue
		}
		if s.UserLang == "" {
			return "", missing("UserLang")
		}
		l, ok := lang.Parse(s.UserLang)
		if !ok {
			return "", wrong("UserLang is not one of %s", strings.Join(lang.All, ", "))
		}
		return l, nil
	}
	if p.DefaultLang == "" {
		return "", missing("Additional service " + signum.ServiceUserLang)
	}
	return p.DefaultLang, nil
}
