package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/signum-mssp/signum"
)

// SignRequest describes the signature that a party wants; the client fills in the
// rest of the message. MSISDN and Text (or Txn) are required.
type SignRequest struct {
	MSISDN string // E.164 with or without +
	Text   string // to display and sign; it must start with the party's prefix
	Lang   string // en, de, fr or it; empty: Config.Lang

	// Txn is a transaction approval to sign instead of Text. The value of its first
	// row must start with the party's prefix. It sets MimeType and, because only Apps
	// show it, Device-LoA4 as the profile if none is given. What is signed is
	// Txn.SignedContent().
	Txn *signum.TxnApproval

	Profile  string        // signature profile URI; empty: Config.Profile
	MimeType string        // empty: text/plain
	Timeout  time.Duration // of the transaction, 15 to 300 s in whole seconds; 0: 80 s
	// Async makes Sign return at once, with status 100 and an MSSP_TransID for Status
	// or Poll.
	Async bool

	// Additional services. A party must be subscribed to those that it asks for;
	// otherwise the fault is 104.

	// Locate asks where the phone is: see Location. Geofencing, if not nil, asks as
	// well, and is the policy for this request: a user outside of it is refused with
	// fault 450.
	Locate     bool
	Geofencing *signum.GeofencingPolicy
	// App2App is the URI by which the signing app opens the party's app when the user
	// is done. Before that, the party's app must open the AuthURI of the first
	// answer: the phone does not show the request otherwise. It needs Async and a
	// profile that reaches an App.
	App2App string
	// VerificationCode makes the user choose on the phone, among three codes, the one
	// that the party's page shows: see the function VerificationCode. It needs Async
	// and a profile that reaches an App. Only Signum has this service.
	VerificationCode bool

	SubscriberInfo bool                       // asks for the user's mobile network: see MCCMNC
	Validate       bool                       // asks for status 502 instead of 500: the service validated the signature
	Services       []signum.AdditionalService // any others; userLang is always sent

	APTransID string // an NCName; empty: a random one
}

// Sign asks for a signature. It waits for the user and returns an answer with
// status 500 (502 with Validate) and the CMS. With Async it does not wait and
// returns status 100 without a signature. With a profile that sends a one-time
// password (signum.IsOTP) nothing is signed: status 100 means that the network
// has taken the text.
func (c *Client) Sign(ctx context.Context, r SignRequest) (*signum.SignatureResponse, error) {
	if r.Txn != nil && (r.Text != "" || r.MimeType != "") {
		return nil, errors.New("client: Txn excludes Text and MimeType")
	}
	req := c.signatureRequest(r)
	resp, err := c.call(ctx, req, func(resp signum.Response) error {
		s := resp.(*signum.SignatureResponse)
		switch {
		case len(s.Signature) != 0, !r.Async && signum.IsOTP(req.Profile) && s.Status == signum.RequestOK:
			return nil
		case !r.Async:
			return fmt.Errorf("status %d to a synchronous request", int(s.Status))
		case s.TransID == "":
			return errors.New("the MSSP_TransID is missing")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resp.(*signum.SignatureResponse), nil
}

// Status asks for the outcome of a transaction. It returns status 504 while the
// user has not answered; then 500 or 502 with the CMS, 100 for a one-time password
// that was sent, or the *signum.Fault that the transaction ended with. A
// transaction that is unknown, another party's, or no longer kept is fault 101.
func (c *Client) Status(ctx context.Context, transID string) (*signum.StatusResponse, error) {
	return c.status(ctx, transID, "")
}

// status also checks that the answer is for the right user, unless msisdn is
// empty.
func (c *Client) status(ctx context.Context, transID, msisdn string) (*signum.StatusResponse, error) {
	req := &signum.StatusRequest{Header: c.header(version("1", "1"), ""), TransID: transID}
	resp, err := c.call(ctx, req, func(resp signum.Response) error {
		return checkEcho("MSISDN", msisdn, resp.(*signum.StatusResponse).MSISDN)
	})
	if err != nil {
		return nil, err
	}
	return resp.(*signum.StatusResponse), nil
}

// Progress is what is known of a transaction that is under way.
type Progress struct {
	TransID string        // MSSP_TransID
	Waited  time.Duration // since the call began
	Status  signum.Code   // 100 in the first call, then 504
	// Services are the answers to additional services so far, for example the
	// address that App2App must open before the user can sign.
	Services []signum.ServiceResponse
}

// SignAndWait signs asynchronously and asks for the outcome every interval (0:
// 2 s) until it is known. It returns what Sign returns without Async. Progress, if
// not nil, is called in the same goroutine: when the request was accepted, and
// after each query that found no outcome. SignAndWait gives up with a
// *TimeoutError once the outcome is overdue by Config.RequestTimeout.
func (c *Client) SignAndWait(ctx context.Context, r SignRequest, interval time.Duration, progress func(Progress)) (*signum.SignatureResponse, error) {
	start := time.Now()
	r.Async = true
	resp, err := c.Sign(ctx, r)
	if err != nil || len(resp.Signature) != 0 {
		return resp, err
	}
	if progress != nil {
		progress(Progress{resp.TransID, time.Since(start), resp.Status, resp.Services})
	}
	limit := transactionTimeout(r.Timeout) + c.cfg.RequestTimeout
	waitCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r.Profile = cmp.Or(r.Profile, c.cfg.Profile)
	p := poll{transID: resp.TransID, msisdn: r.MSISDN, start: start, waitFirst: true, unsigned: signum.IsOTP(r.Profile)}
	s, err := c.poll(waitCtx, p, interval, progress)
	if err != nil && waitCtx.Err() != nil && ctx.Err() == nil && signum.AsFault(err) == nil {
		return nil, &TimeoutError{Limit: "transaction timeout with margin, no outcome of " + resp.TransID, After: limit}
	}
	if err != nil {
		return nil, err
	}
	done := *resp
	done.Status, done.Signature = s.Status, s.Signature
	if len(s.Services) != 0 {
		done.Services = s.Services
	}
	return &done, nil
}

// Poll asks for the outcome of a transaction at once and then every interval (0:
// 2 s), until it is known or ctx ends. Progress is as in SignAndWait. Up to three
// queries in a row may fail for want of an answer.
func (c *Client) Poll(ctx context.Context, transID string, interval time.Duration, progress func(Progress)) (*signum.StatusResponse, error) {
	return c.poll(ctx, poll{transID: transID, start: time.Now(), unsigned: true}, interval, progress)
}

const maxPollFailures = 3

// poll says which transaction to ask for.
type poll struct {
	transID   string
	msisdn    string // of its user; empty: not known
	start     time.Time
	waitFirst bool
	unsigned  bool // status 100 may be the outcome: a one-time password was sent
}

func (c *Client) poll(ctx context.Context, p poll, interval time.Duration, progress func(Progress)) (*signum.StatusResponse, error) {
	if interval <= 0 {
		interval = DefaultPollInterval
	}
	failures := 0
	for wait := p.waitFirst; ; wait = true {
		if wait {
			if err := pause(ctx, p, interval); err != nil {
				return nil, err
			}
		}
		s, err := c.status(ctx, p.transID, p.msisdn)
		switch {
		case err != nil:
			if failures++; failures > maxPollFailures || ctx.Err() != nil || !transient(err) {
				return nil, err
			}
		case len(s.Signature) != 0, p.unsigned && s.Status == signum.RequestOK:
			return s, nil
		default:
			failures = 0
			if progress != nil {
				progress(Progress{p.transID, time.Since(p.start), s.Status, s.Services})
			}
		}
	}
}

func pause(ctx context.Context, p poll, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
	}
	if ctx.Err() == context.DeadlineExceeded {
		return &TimeoutError{Limit: "deadline of the caller", After: time.Since(p.start), Err: ctx.Err()}
	}
	return fmt.Errorf("client: stopped asking for transaction %s after %s: %w",
		p.transID, time.Since(p.start).Round(time.Millisecond), ctx.Err())
}

// transient reports whether it may help to ask again: if the node behind a
// balancer is gone, another one knows the transaction too.
func transient(err error) bool {
	var (
		transport *TransportError
		timeout   *TimeoutError
		answer    *AnswerError
	)
	if errors.As(err, &answer) {
		switch answer.HTTPStatus {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
			return true
		}
		return false
	}
	return errors.As(err, &transport) || errors.As(err, &timeout)
}

func (c *Client) signatureRequest(r SignRequest) *signum.SignatureRequest {
	// The contract of each wire names one version of the request and one spelling of
	// the asynchronous mode.
	minor, mode := "2", signum.Synch
	if c.cfg.SOAP {
		minor = "1"
	}
	if r.Async {
		mode = signum.Asynch
		if c.cfg.SOAP {
			mode = signum.AsynchClientServer
		}
	}
	if r.Txn != nil {
		r.Text, r.MimeType = r.Txn.String(), signum.MimeTxnApproval
		r.Profile = cmp.Or(r.Profile, signum.ProfileDevice)
	}
	r.Lang = cmp.Or(r.Lang, c.cfg.Lang)
	r.Profile = cmp.Or(r.Profile, c.cfg.Profile)
	r.MimeType = cmp.Or(r.MimeType, signum.MimeText)
	seconds := (transactionTimeout(r.Timeout) + time.Second - 1) / time.Second
	return &signum.SignatureRequest{
		Header:        c.header(version("1", minor), r.APTransID),
		MessagingMode: mode,
		TimeOut:       strconv.FormatInt(int64(seconds), 10),
		MSISDN:        r.MSISDN,
		Profile:       r.Profile,
		Data:          signum.DataToBeSigned{MimeType: r.MimeType, Encoding: encodingUTF8, Data: r.Text},
		Services:      r.services(),
	}
}

// encodingUTF8 is the Encoding of texts.
const encodingUTF8 = "UTF-8"

func transactionTimeout(d time.Duration) time.Duration { return cmp.Or(d, DefaultTransactionTimeout) }

func version(major, minor string) signum.Version { return signum.Version{Major: major, Minor: minor} }

func (c *Client) header(v signum.Version, transID string) signum.Header {
	if transID == "" {
		// An NCName starts with a letter. The rest has 130 random bits.
		transID = "S" + rand.Text()
	}
	at := signum.FormatInstant(c.cfg.Now())
	return signum.Header{
		Version: v,
		AP: signum.APInfo{
			ID: c.cfg.APID, Password: c.cfg.APPassword, TransID: transID,
			Instant: at,
		},
		MSSP: signum.MSSPInfo{URI: c.cfg.MSSP, Instant: at}, // the public contract requires the Instant
	}
}
