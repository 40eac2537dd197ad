package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
)

// maxAnswer bounds the body of an answer, in bytes. A CMS with its chain is
// under 10 KB.
const maxAnswer = 1 << 20

// maxTransactionTimeout bounds what a TimeOut adds to the wait for an answer;
// services take up to 300 s.
const maxTransactionTimeout = time.Hour

// Do sends a request as it is. It fills in nothing, checks nothing and leaves out
// empty fields; the Status that the contract demands of a receipt is always 100.
// It returns an error if the wire cannot express the request, which is so for the
// getters of a profile query over REST.
//
// The answer must be for this call, with the same AP_TransID and MSISDN, and one
// that claims a signature must hold it; otherwise the error is an [*AnswerError].
// The answer to a receipt or a profile query has status 100; any other is a Fault.
// The package describes the other errors.
func (c *Client) Do(ctx context.Context, req signum.Request) (signum.Response, error) {
	return c.call(ctx, req, nil)
}

// call is Do with a further check of the answer.
func (c *Client) call(ctx context.Context, req signum.Request, check func(signum.Response) error) (signum.Response, error) {
	body, err := c.wire.encode(req)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", req.Operation(), err)
	}
	a, err := c.post(ctx, req, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.answer(req, a)
	if err == nil && check != nil {
		err = check(resp)
	}
	switch f := signum.AsFault(err); {
	case f != nil:
		return nil, f
	case err != nil:
		return nil, &AnswerError{
			URL: a.url, HTTPStatus: a.status, ContentType: a.contentType, Excerpt: excerpt(a.body), Err: err,
		}
	}
	return resp, nil
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	url         string
	status      int
	contentType string
	body        []byte
	retryAfter  time.Duration
}

func (c *Client) post(ctx context.Context, req signum.Request, body []byte) (*answer, error) {
	target := c.base.JoinPath(c.wire.paths[req.Operation()]).String()
	limit, name := c.limit(req)
	start := time.Now()
	callCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	explain := func(err error) error {
		var timeout *TimeoutError
		switch {
		case ctx.Err() == context.DeadlineExceeded:
			return &TimeoutError{Limit: "deadline of the caller", After: time.Since(start), Err: ctx.Err()}
		case ctx.Err() != nil:
			return fmt.Errorf("client: gave up on %s after %s: %w",
				req.Operation(), time.Since(start).Round(time.Millisecond), ctx.Err())
		case callCtx.Err() != nil:
			return &TimeoutError{Limit: name, After: limit}
		case errors.As(err, &timeout):
			return timeout
		case strings.Contains(err.Error(), "TLS handshake timeout"):
			// net/http has no type for it.
			return &TimeoutError{Limit: "TLS handshake timeout", After: handshakeTimeout, Err: err}
		}
		return &TransportError{URL: target, Err: err}
	}

	h, err := http.NewRequestWithContext(callCtx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	h.Header.Set("Content-Type", c.wire.contentType)
	h.Header.Set("Accept", c.wire.accept)
	h.Header.Set("User-Agent", "signum-client")
	resp, err := c.http.Do(h)
	if err != nil {
		return nil, explain(unwrapURL(err))
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, explain(err)
	}
	return &answer{
		url: target, status: resp.StatusCode, contentType: resp.Header.Get("Content-Type"), body: data,
		retryAfter: retryAfter(resp.Header.Get("Retry-After")),
	}, nil
}

// retryAfter reads the header of a fault: whole seconds, at most a day. A date, which
// the service does not send, counts as not known.
func retryAfter(header string) time.Duration {
	n, err := strconv.ParseUint(header, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, 24*time.Hour)
}

// unwrapURL drops the method and address that net/http puts before the cause,
// because the errors here say them too.
func unwrapURL(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// limit returns how long to wait for the answer to a request, and the name of
// that limit. A synchronous signature waits at least as long as the transaction
// may take, and a receipt as long as the phone may.
func (c *Client) limit(req signum.Request) (time.Duration, string) {
	margin := c.cfg.RequestTimeout
	switch r := req.(type) {
	case *signum.SignatureRequest:
		if r.MessagingMode == signum.Asynch || r.MessagingMode == signum.AsynchClientServer {
			break
		}
		t := DefaultTransactionTimeout
		if n, err := strconv.Atoi(r.TimeOut); err == nil && n > 0 {
			t = min(time.Duration(min(n, 1<<20))*time.Second, maxTransactionTimeout)
		}
		return t + margin, fmt.Sprintf("synchronous request timeout (transaction %s and margin %s)", t, margin)
	case *signum.ReceiptRequest:
		return signum.ReceiptWait + margin, fmt.Sprintf("receipt timeout (phone %s and margin %s)", signum.ReceiptWait, margin)
	}
	return margin, "request timeout"
}

// answer decodes an answer and checks what must hold for all answers.
func (c *Client) answer(req signum.Request, a *answer) (signum.Response, error) {
	if len(a.body) > maxAnswer {
		return nil, fmt.Errorf("the body exceeds %d bytes", maxAnswer)
	}
	media, _, err := mime.ParseMediaType(a.contentType)
	if err != nil || !slices.Contains(c.wire.answers, media) {
		return nil, fmt.Errorf("content type %q", a.contentType)
	}
	if len(a.body) == 0 {
		return nil, errors.New("the body is empty")
	}
	resp, err := c.wire.decode(req.Operation(), a.body)
	if flt := signum.AsFault(err); flt != nil {
		flt.RetryAfter = a.retryAfter
	}
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, errors.New("only faults have a status other than 200")
	}
	if err := checkAnswer(req, resp); err != nil {
		return nil, err
	}
	return resp, nil
}

// checkAnswer checks what must hold for an answer of the right kind.
func checkAnswer(req signum.Request, resp signum.Response) error {
	got := resp.(interface{ Head() *signum.Header }).Head() // all responses have one
	if err := checkEcho("AP_TransID", req.Head().AP.TransID, got.AP.TransID); err != nil {
		return err
	}
	switch r := resp.(type) {
	case *signum.SignatureResponse:
		if err := checkEcho("MSISDN", req.(*signum.SignatureRequest).MSISDN, r.MSISDN); err != nil {
			return err
		}
		return checkStatus(r.Status, r.Signature)
	case *signum.StatusResponse:
		return checkStatus(r.Status, r.Signature)
	case *signum.ReceiptResponse:
		return checkOK(r.Status)
	case *signum.ProfileResponse:
		return checkOK(r.Status)
	}
	return nil
}

// checkEcho refuses an answer that is for somebody else: a party must never take
// another user's signature for this one's. A field that the service does not
// repeat is not checked.
func checkEcho(field, sent, got string) error {
	sent, got = strings.TrimSpace(sent), strings.TrimSpace(got)
	if sent != "" && got != "" && got != sent {
		return fmt.Errorf("the answer is for %s %q, the request for %q", field, got, sent)
	}
	return nil
}

// checkStatus returns a Fault for a status that means failure.
func checkStatus(s signum.Code, signature []byte) error {
	switch s {
	case signum.RequestOK, signum.OutstandingTransact:
		if len(signature) != 0 {
			return fmt.Errorf("status %d with a signature", int(s))
		}
		return nil
	case signum.SignatureMade, signum.ValidSignature:
		if len(signature) == 0 {
			return fmt.Errorf("status %d without a signature", int(s))
		}
		return nil
	}
	return signum.NewFault(s)
}

// checkOK is checkStatus for a call that signs nothing.
func checkOK(s signum.Code) error {
	if s == signum.RequestOK {
		return nil
	}
	return signum.NewFault(s)
}
