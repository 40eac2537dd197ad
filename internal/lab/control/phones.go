package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/policy"
)

// Phones are the simulated phones of the users.
type Phones interface {
	// Tap does what a tap on an AuthUri does, and returns where it leads.
	Tap(ctx context.Context, authURI string) (redirect string, err error)
	Behave(msisdn string, do person.Behaviour) error
	Place(msisdn string, at person.Place) error
	Unblock(ctx context.Context, msisdn string) error
	NewInvitation(ctx context.Context, msisdn string, trusted bool) (*Invitation, error)
}

func (c *Control) phoneRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"POST /sandbox/open":   c.handle(c.open),
		"POST /sandbox/phone":  c.handle(c.phone),
		"POST /sandbox/invite": c.handle(c.invite),
	}
}

// open does what a tap on an AuthUri does: {"auth_uri": …} shows the request that
// waits for it, and answers {"redirect_uri": …}.
func (c *Control) open(ctx context.Context, body []byte) (any, error) {
	var in struct {
		AuthURI string `json:"auth_uri"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	redirect, err := c.in(ctx).Phones.Tap(ctx, in.AuthURI)
	if err != nil {
		return nil, err
	}
	return map[string]string{"redirect_uri": redirect}, nil
}

// phone sets what a user does from now on, and where they are:
// {"msisdn": …, "behaviour": …, "location": …}; one of the last two may be absent.
// A new behaviour also unblocks a PIN.
func (c *Control) phone(ctx context.Context, body []byte) (any, error) {
	var in struct {
		MSISDN    string `json:"msisdn"`
		Behaviour string `json:"behaviour"`
		Location  string `json:"location"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	msisdn, ok := policy.ParseMSISDN(in.MSISDN)
	if !ok {
		return nil, errNumber(in.MSISDN)
	}
	if in.Behaviour == "" && in.Location == "" {
		return nil, errors.New("behaviour and location are both missing")
	}
	if in.Location != "" {
		place, err := person.ParsePlace(in.Location)
		if err == nil {
			err = c.in(ctx).Phones.Place(msisdn, place)
		}
		if err != nil {
			return nil, noPhone(msisdn, err)
		}
	}
	if in.Behaviour != "" {
		b, err := person.ParseBehaviour(in.Behaviour)
		if err == nil {
			err = c.in(ctx).Phones.Behave(msisdn, b)
		}
		if err == nil {
			err = c.in(ctx).Phones.Unblock(ctx, msisdn)
		}
		if err != nil {
			return nil, noPhone(msisdn, err)
		}
	}
	return struct{}{}, nil
}

// errNumber refuses what is no number, as it was sent.
func errNumber(sent string) error {
	return fmt.Errorf("%q is not the number of a mobile user with its country code, such as +41791234567", sent)
}

// noPhone names the number in full, which logs must not do, but the developer has sent it.
func noPhone(msisdn string, err error) error {
	if errors.Is(err, person.ErrUnknown) {
		return fmt.Errorf("%s has no phone that answers by itself", msisdn)
	}
	return err
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
func (c *Control) invite(ctx context.Context, body []byte) (any, error) {
	var in struct {
		MSISDN  string `json:"msisdn"`
		Trusted bool   `json:"trusted"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	msisdn, ok := policy.ParseMSISDN(in.MSISDN)
	if !ok {
		return nil, errNumber(in.MSISDN)
	}
	return c.in(ctx).Phones.NewInvitation(ctx, msisdn, in.Trusted)
}
