package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// Users are the users of a sandbox. If a number has none, they return an error that Missing
// knows.
type Users interface {
	ListUsers(ctx context.Context) ([]scenario.User, error)
	GetUser(ctx context.Context, msisdn string) (scenario.User, error)
	PutUser(ctx context.Context, u scenario.User) (created bool, err error)
	// SetUser changes a user by a function, which returns the JSON members that it was asked to
	// change, also if they are what they were.
	SetUser(ctx context.Context, msisdn string, change func(*scenario.User) (members map[string]bool, err error)) error
	RemoveUser(ctx context.Context, msisdn string) error
	// Cancel ends what is open on the phones of a number.
	Cancel(ctx context.Context, msisdn string) ([]Cancelled, error)
	// Reset makes the sandbox what it was when it was ready.
	Reset(ctx context.Context) error
}

// Cancelled is a request to a phone that has ended.
type Cancelled struct {
	MSISDN    string `json:"msisdn"`
	APID      string `json:"ap_id,omitempty"`
	TransID   string `json:"mssp_trans_id"`
	Operation string `json:"operation"`
}

// What a phone can have been asked for.
const (
	CancelledSignature  = "signature"
	CancelledActivation = "activation"
	CancelledReceipt    = "receipt"
)

func (c *Control) userRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /sandbox/v1/users":                   c.serve(c.listUsers),
		"GET /sandbox/v1/users/{msisdn}":          c.serve(c.getUser),
		"PUT /sandbox/v1/users/{msisdn}":          c.serve(c.putUser),
		"PATCH /sandbox/v1/users/{msisdn}":        c.serve(c.patchUser),
		"DELETE /sandbox/v1/users/{msisdn}":       c.serve(c.deleteUser),
		"POST /sandbox/v1/phones/{msisdn}/cancel": c.serve(c.cancel),
		"POST /sandbox/v1/reset":                  c.serve(c.reset),
	}
}

func (c *Control) listUsers(r *jsonapi.Request) (any, error) {
	list, err := c.in(r.Context()).Users.ListUsers(r.Context())
	return map[string][]scenario.User{"users": list}, err
}

func (c *Control) getUser(r *jsonapi.Request) (any, error) {
	return c.in(r.Context()).Users.GetUser(r.Context(), r.PathValue("msisdn"))
}

// putUser adds a user or replaces it. The number in the body may be absent.
func (c *Control) putUser(r *jsonapi.Request) (any, error) {
	u := scenario.User{MSISDN: r.PathValue("msisdn")}
	if err := jsonapi.Decode(r.Body, &u); err != nil {
		return nil, err
	}
	named := scenario.User{MSISDN: r.PathValue("msisdn")}
	if err := named.Check(); err != nil {
		return nil, err
	}
	if err := u.Check(); err != nil {
		return nil, err
	}
	if u.MSISDN != named.MSISDN {
		return nil, errors.New("msisdn differs from the number in the address")
	}
	created, err := c.in(r.Context()).Users.PutUser(r.Context(), u)
	if err != nil {
		return nil, err
	}
	if created {
		r.Status = http.StatusCreated
	}
	return c.in(r.Context()).Users.GetUser(r.Context(), u.MSISDN)
}

// patchUser changes what the body names.
func (c *Control) patchUser(r *jsonapi.Request) (any, error) {
	err := c.in(r.Context()).Users.SetUser(r.Context(), r.PathValue("msisdn"), func(u *scenario.User) (map[string]bool, error) {
		number := u.MSISDN
		members, err := jsonapi.MergePatch(u, r.Body)
		if err == nil && u.MSISDN != number {
			err = errors.New("msisdn differs from the number in the address")
		}
		return members, err
	})
	if err != nil {
		return nil, err
	}
	return c.getUser(r)
}

func (c *Control) deleteUser(r *jsonapi.Request) (any, error) {
	r.Status = http.StatusNoContent
	return nil, c.in(r.Context()).Users.RemoveUser(r.Context(), r.PathValue("msisdn"))
}

func (c *Control) cancel(r *jsonapi.Request) (any, error) {
	ended, err := c.in(r.Context()).Users.Cancel(r.Context(), r.PathValue("msisdn"))
	return map[string][]Cancelled{"cancelled": ended}, err
}

func (c *Control) reset(r *jsonapi.Request) (any, error) {
	r.Status = http.StatusNoContent
	return nil, c.in(r.Context()).Users.Reset(r.Context())
}
