package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/lab/script"
	"github.com/signum-mssp/signum/internal/policy"
)

// Requests are the requests that phones have, and what phones do next. A request that no phone
// has gives an error that Missing knows.
type Requests interface {
	// Await returns the next request to the phones of a number as they show it, and holds it.
	Await(ctx context.Context, msisdn string) (*PhoneRequest, error)
	PhoneRequests(ctx context.Context) []PhoneRequest
	// Act lets the user do something with a request. An empty act is what the user usually does.
	Act(id string, a script.Act) error
	// Script returns what phones do next; an empty number stands for all phones.
	Script(msisdn string) *script.Queue
}

// PhoneRequest is a request as its user sees it.
type PhoneRequest struct {
	ID        string        `json:"id"`
	MSISDN    string        `json:"msisdn"`
	Operation string        `json:"operation"`
	Method    signum.Method `json:"method"`
	APID      string        `json:"ap_id"`
	TransID   string        `json:"mssp_trans_id"`
	Profile   string        `json:"profile,omitempty"`
	Party     string        `json:"party,omitempty"` // as the phone shows it
	Lang      string        `json:"lang,omitempty"`
	MimeType  string        `json:"mime_type"`
	Text      string        `json:"text"`
	Title     string        `json:"title,omitempty"` // of a transaction approval
	Rows      []Row         `json:"rows,omitempty"`  // of a transaction approval
	Choices   []string      `json:"choices,omitempty"`
	Locate    bool          `json:"locate,omitempty"`
	Created   time.Time     `json:"created"`
	Expires   time.Time     `json:"expires"`
	Shown     bool          `json:"shown"`
	Held      bool          `json:"held"`
}

// Row is one of a transaction approval.
type Row struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Acts are what can be done with a request that is on the screen. Release is none of them: it
// is what the user usually does.
var Acts = []string{"approve", "cancel", "report", "wrong-pin", "bad-signature", "silent", "hold"}

// release lets the user do what they usually do.
const release = "release"

// Limits of the time for which an await waits.
const (
	defaultAwait = 10 * time.Second
	mostAwait    = 5 * time.Minute
)

func (c *Control) requestRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"POST /sandbox/v1/phones/{msisdn}/await":    c.serve(c.await),
		"GET /sandbox/v1/phones/{msisdn}/script":    c.serve(c.getScript),
		"PUT /sandbox/v1/phones/{msisdn}/script":    c.serve(c.putScript),
		"POST /sandbox/v1/phones/{msisdn}/script":   c.serve(c.addScript),
		"DELETE /sandbox/v1/phones/{msisdn}/script": c.serve(c.dropScript),
		"GET /sandbox/v1/script":                    c.serve(c.getScript),
		"PUT /sandbox/v1/script":                    c.serve(c.putScript),
		"POST /sandbox/v1/script":                   c.serve(c.addScript),
		"DELETE /sandbox/v1/script":                 c.serve(c.dropScript),
		"GET /sandbox/v1/requests":                  c.serve(c.listRequests),
		"POST /sandbox/v1/requests/{id}/{act}":      c.serve(c.act),
	}
}

// numberOf returns the number in the address; empty if the address has none.
func numberOf(r *jsonapi.Request) (string, error) {
	sent := r.PathValue("msisdn")
	if sent == "" {
		return "", nil
	}
	msisdn, ok := policy.ParseMSISDN(sent)
	if !ok {
		return "", errNumber(sent)
	}
	return msisdn, nil
}

// await waits for the next request to a phone: ?timeout=10s.
func (c *Control) await(r *jsonapi.Request) (any, error) {
	msisdn, err := numberOf(r)
	if err != nil {
		return nil, err
	}
	wait := defaultAwait
	if text := r.URL.Query().Get("timeout"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil || wait <= 0 || wait > mostAwait {
			return nil, fmt.Errorf("timeout must be a duration such as 10s, up to %s, not %q", mostAwait, text)
		}
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), wait, fmt.Errorf("none within %s", wait))
	defer cancel()
	return c.in(ctx).Requests.Await(ctx, msisdn)
}

func (c *Control) listRequests(r *jsonapi.Request) (any, error) {
	return map[string][]PhoneRequest{"requests": c.in(r.Context()).Requests.PhoneRequests(r.Context())}, nil
}

// act lets the user of a phone do something: {"after": …, "times": …, "location": …}; the body may
// be absent.
func (c *Control) act(r *jsonapi.Request) (any, error) {
	var a script.Act
	if len(r.Body) > 0 {
		if err := jsonapi.Decode(r.Body, &a); err != nil {
			return nil, err
		}
	}
	if a.Do != "" {
		return nil, errors.New("the address says what to do; the body has after, times and location")
	}
	if a.Do = r.PathValue("act"); a.Do == release {
		a.Do = ""
	}
	r.Status = http.StatusNoContent
	return nil, c.in(r.Context()).Requests.Act(r.PathValue("id"), a)
}

// steps is a script in a body or an answer.
type steps struct {
	Steps []script.Step `json:"steps"`
}

func (c *Control) getScript(r *jsonapi.Request) (any, error) {
	msisdn, err := numberOf(r)
	if err != nil {
		return nil, err
	}
	return steps{c.in(r.Context()).Requests.Script(msisdn).Steps()}, nil
}

// putScript replaces what phones do next.
func (c *Control) putScript(r *jsonapi.Request) (any, error) {
	return c.changeScript(r, (*script.Queue).Set)
}

// addScript appends steps.
func (c *Control) addScript(r *jsonapi.Request) (any, error) {
	return c.changeScript(r, (*script.Queue).Add)
}

func (c *Control) changeScript(r *jsonapi.Request, change func(*script.Queue, []script.Step) error) (any, error) {
	msisdn, err := numberOf(r)
	if err != nil {
		return nil, err
	}
	var in steps
	if err := jsonapi.Decode(r.Body, &in); err != nil {
		return nil, err
	}
	q := c.in(r.Context()).Requests.Script(msisdn)
	if err := change(q, in.Steps); err != nil {
		return nil, err
	}
	return steps{q.Steps()}, nil
}

func (c *Control) dropScript(r *jsonapi.Request) (any, error) {
	msisdn, err := numberOf(r)
	if err != nil {
		return nil, err
	}
	r.Status = http.StatusNoContent
	return nil, c.in(r.Context()).Requests.Script(msisdn).Set(nil)
}
