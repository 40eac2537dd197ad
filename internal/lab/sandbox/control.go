package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// maxControl limits the body of a control request, in bytes.
const maxControl = 16 << 10

// control lets the party operate the simulated phones: a script does over the
// service's own address, with the party's certificate, what a person would do by
// hand. Only the sandbox has it.
type control struct {
	pins     []mssp.Pin
	box      *Sandbox
	log      *slog.Logger
	maxCards int64 // bytes of a file of cards
}

func (c *control) handlers() map[string]http.Handler {
	all := c.cards()
	maps.Copy(all, map[string]http.Handler{
		"POST /sandbox/open":   c.handle(c.open),
		"POST /sandbox/phone":  c.handle(c.phone),
		"POST /sandbox/invite": c.handle(c.invite),
	})
	return all
}

var errNoParty = errors.New("the certificate of the sandbox's party is needed")

// command reads a request and returns the answer.
type command func(ctx context.Context, body []byte) (any, error)

// admit is do for the party alone. Anybody else gets 403, and the body of the request
// is not read.
func (c *control) admit(do http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.isParty(r) {
			// Otherwise net/http waits for the body before it answers, and again before
			// it closes the connection.
			w.Header().Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
			c.answer(w, http.StatusForbidden, refusal(errNoParty))
			return
		}
		do(w, r)
	})
}

// handle limits the body and answers in JSON: 200 with the result, or 4xx with
// {"error": …}.
func (c *control) handle(do command) http.Handler {
	return c.admit(func(w http.ResponseWriter, r *http.Request) {
		status, answer := http.StatusOK, any(nil)
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControl))
		if err == nil {
			answer, err = do(r.Context(), body)
		}
		if err != nil {
			status, answer = http.StatusBadRequest, refusal(err)
		}
		c.answer(w, status, answer)
	})
}

func (c *control) isParty(r *http.Request) bool {
	return r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && slices.Contains(c.pins, mssp.PinOf(r.TLS.PeerCertificates[0].Raw))
}

// open does what a tap on an AuthUri does: {"auth_uri": …} shows the request that
// waits for it, and answers {"redirect_uri": …}.
func (c *control) open(ctx context.Context, body []byte) (any, error) {
	var in struct {
		AuthURI string `json:"auth_uri"`
	}
	if err := strict(body, &in); err != nil {
		return nil, err
	}
	redirect, err := c.box.SoftApps.Open(ctx, in.AuthURI)
	if err != nil {
		return nil, err
	}
	return map[string]string{"redirect_uri": redirect}, nil
}

// phone sets what a user does from now on, and where they are:
// {"msisdn": …, "behaviour": …, "location": …}; one of the last two may be absent.
// A new behaviour also unblocks a PIN.
func (c *control) phone(ctx context.Context, body []byte) (any, error) {
	var in struct {
		MSISDN    string `json:"msisdn"`
		Behaviour string `json:"behaviour"`
		Location  string `json:"location"`
	}
	if err := strict(body, &in); err != nil {
		return nil, err
	}
	if in.Behaviour == "" && in.Location == "" {
		return nil, errors.New("behaviour and location are both missing")
	}
	if in.Location != "" {
		place, err := person.ParsePlace(in.Location)
		if err == nil {
			err = c.box.Place(in.MSISDN, place)
		}
		if err != nil {
			return nil, err
		}
	}
	if in.Behaviour != "" {
		b, err := person.ParseBehaviour(in.Behaviour)
		if err == nil {
			err = c.box.Behave(in.MSISDN, b)
		}
		if err == nil {
			err = c.box.unblock(ctx, in.MSISDN)
		}
		if err != nil {
			return nil, err
		}
	}
	return struct{}{}, nil
}

// Invitation is an activation code of a user.
type Invitation struct {
	MSISDN  string    `json:"msisdn"`
	Code    string    `json:"code"`
	URL     string    `json:"url"` // of the phone page that takes it
	Expires time.Time `json:"expires"`
}

// invite makes an activation code: {"msisdn": …, "trusted": …}; trusted is
// optional.
func (c *control) invite(ctx context.Context, body []byte) (any, error) {
	var in struct {
		MSISDN  string `json:"msisdn"`
		Trusted bool   `json:"trusted"`
	}
	if err := strict(body, &in); err != nil {
		return nil, err
	}
	msisdn, ok := policy.ParseMSISDN(in.MSISDN)
	if !ok {
		return nil, fmt.Errorf("%q is not the number of a mobile user", in.MSISDN)
	}
	return c.box.invite(ctx, msisdn, in.Trusted)
}

// strict decodes one JSON object and refuses unknown members, so that a typing
// error does not pass for success.
func strict(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("the body is not the expected JSON: %w", err)
	}
	return nil
}
