package prompt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/event/eventtest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// phone is the service with one phone.
type phone struct {
	refusal error  // of the request
	code    string // that the App offers
	answers []any  // of the status queries: a signum.Code, an error, or a panic; then outstanding

	request *signum.SignatureRequest
	pin     mssp.Pin
	ids     map[string]bool // AP_TransIDs
	queries int
}

func (s *phone) note(h *signum.Header, c *mssp.Caller) {
	if s.ids == nil {
		s.ids = make(map[string]bool)
	}
	s.ids[h.AP.TransID], s.pin = true, c.Pin
}

func (s *phone) Sign(_ context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error) {
	s.note(&r.Header, c)
	if s.request = r; s.refusal != nil {
		return nil, s.refusal
	}
	resp := &signum.SignatureResponse{TransID: "h1", Status: signum.RequestOK}
	if s.code != "" {
		resp.Services = []signum.ServiceResponse{{VerificationCode: s.code}}
	}
	return resp, nil
}

func (s *phone) Status(_ context.Context, c *mssp.Caller, r *signum.StatusRequest) (*signum.StatusResponse, error) {
	s.note(&r.Header, c)
	s.queries++
	if r.TransID != "h1" {
		return nil, errors.New("another transaction")
	}
	if len(s.answers) == 0 {
		return &signum.StatusResponse{Status: signum.OutstandingTransact}, nil
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	switch a := a.(type) {
	case signum.Code:
		return &signum.StatusResponse{Status: a}, nil
	case error:
		return nil, a
	}
	panic(a)
}

func newAsker(s Signer, events event.Sink) *Asker {
	log := slog.New(slog.DiscardHandler)
	return New(Config{Signer: s, Party: "mid://portal", Pin: mssp.Pin{7}, Prefix: "Signum: ", Clock: mssp.SystemClock{}, Logger: log,
		Events: event.New(mssp.SystemClock{}, log, events)})
}

var question = Question{Number: "+41791234567", Method: signum.App, Lang: "de", Text: "Log in?", Op: "login", Source: "192.0.2.1"}

// TestOutcomes: how a request ends decides the state, the event, and how often the
// service is asked.
func TestOutcomes(t *testing.T) {
	const pending = signum.OutstandingTransact
	busy := signum.NewFault(signum.InternalError)
	reportedCancel := signum.NewFault(signum.UserCancel)
	reportedCancel.Detail += " (reported)"
	for name, tt := range map[string]struct {
		phone   phone
		want    State
		queries int
		event   string // code, reason
		failed  bool   // the event names an incident
	}{
		"signed":                 {phone{answers: []any{pending, signum.SignatureMade}}, Approved, 2, "500 ", false},
		"signed and validated":   {phone{answers: []any{signum.ValidSignature}}, Approved, 1, "502 ", false},
		"another success":        {phone{answers: []any{signum.RequestOK}}, Failed, 1, "100 ", false},
		"cancelled":              {phone{answers: []any{pending, signum.NewFault(signum.UserCancel)}}, Declined, 2, "401 ", false},
		"reported":               {phone{answers: []any{reportedCancel}}, Reported, 1, "401 ", false},
		"blocked":                {phone{answers: []any{signum.NewFault(signum.PINBlocked)}}, Blocked, 1, "402 ", false},
		"expired":                {phone{answers: []any{signum.NewFault(signum.ExpiredTransaction)}}, Failed, 1, "208 ", false},
		"the service recovers":   {phone{answers: []any{busy, errors.New("no disk"), signum.SignatureMade}}, Approved, 3, "500 ", false},
		"unknown number":         {phone{refusal: signum.NewFault(signum.UnknownClient)}, Failed, 0, "105 ", false},
		"the party is refused":   {phone{refusal: signum.NewFault(signum.UnauthorizedAccess)}, Failed, 0, "104 ", true},
		"a failure":              {phone{refusal: errors.New("no disk")}, Failed, 0, "0 ", true},
		"a panic":                {phone{answers: []any{"a bug"}}, Failed, 1, "100 ", true},
		"nobody answers":         {phone{}, Failed, 82, "100 timeout", false},
		"the service stays away": {phone{answers: repeat(busy, 100)}, Failed, 82, "900 ", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				events, s := new(eventtest.Sink), tt.phone
				a := newAsker(&s, events)
				ended := make(chan State, 2)
				p := a.Ask(question, func(s State) { ended <- s })
				if got := <-ended; got != tt.want || p.State() != tt.want {
					t.Errorf("%s, then %s, want %s", got, p.State(), tt.want)
				}
				a.Close()
				if len(ended) != 0 || s.queries != tt.queries {
					t.Errorf("ended twice, or %d queries, want %d", s.queries, tt.queries)
				}
				if len(s.ids) != tt.queries+1 || s.pin != (mssp.Pin{7}) {
					t.Errorf("%d AP_TransIDs in %d calls; pin %v", len(s.ids), tt.queries+1, s.pin)
				}
				e := events.Events()
				if len(e) != 1 {
					t.Fatalf("%d events", len(e))
				}
				if got := fmt.Sprint(int(e[0].Code), " ", e[0].Reason); got != tt.event || (e[0].Incident != "") != tt.failed || e[0].Op != "login" {
					t.Errorf("event %q, incident %q, want %q", got, e[0].Incident, tt.event)
				}
				if (tt.want == Approved) != (p.State() == Approved && p.TransID() == "h1") {
					t.Errorf("transaction %q", p.TransID())
				}
			})
		})
	}
}

func repeat(a any, n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = a
	}
	return all
}

// The page shows the code that the App offers. Without a request there is another one,
// so that a page looks the same.
func TestCodeOfApp(t *testing.T) {
	for name, s := range map[string]*phone{
		"asked": {code: "47"}, "refused": {refusal: signum.NewFault(signum.UnknownClient)},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAsker(s, new(eventtest.Sink))
			defer a.Close()
			p := a.Ask(question, nil)
			synctest.Wait()
			if got := p.PageCode(); got != "" {
				t.Errorf("%s: the code %q is there at once", name, got)
			}
			time.Sleep(CodeAfter)
			if got := p.PageCode(); len(got) != 2 || s.code != "" && got != s.code {
				t.Errorf("%s: code %q", name, got)
			}
			if r := s.request; r.Profile != signum.ProfileDevice || r.Data.Data != "Signum: Log in?" || r.MessagingMode != signum.Asynch ||
				len(r.Services) != 2 || r.Services[0].UserLang != "de" || r.Services[1].URI != signum.ServiceVerification {
				t.Errorf("%s: request %+v", name, r)
			}
		})
	}
}

// The text on a SIM ends with a code that only its reader knows.
func TestCodeOfSIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &phone{answers: []any{signum.SignatureMade}}
		a := newAsker(s, new(eventtest.Sink))
		defer a.Close()
		q := question
		q.Method, q.Text = signum.SIM, "Log in? Code "+CodeMark
		p := a.Ask(q, nil)
		time.Sleep(2 * pause)
		synctest.Wait()
		text := s.request.Data.Data
		code, ok := strings.CutPrefix(text, "Signum: Log in? Code ")
		if !ok || len(code) != simDigits || s.request.Profile != signum.ProfileSTK || len(s.request.Services) != 1 {
			t.Fatalf("%q, %s", text, s.request.Profile)
		}
		if p.State() != Waiting || p.PageCode() != "" {
			t.Errorf("signed, but not typed: %s, page code %q", p.State(), p.PageCode())
		}
		if !p.Try(code) || p.State() != Approved {
			t.Errorf("typed: %s", p.State())
		}
	})
}

// A page that waits no longer, and a service that stops, end the work in the background.
func TestEndOfWaiting(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func(*Asker, *Prompt)
		reason string
	}{
		"the page ends it": {func(_ *Asker, p *Prompt) { p.End() }, "ended"},
		"three wrong codes": {func(_ *Asker, p *Prompt) {
			for range 3 {
				p.Try("x")
			}
		}, "ended"},
		"the service stops": {func(a *Asker, _ *Prompt) { a.Close() }, "stopped"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, events := new(phone), new(eventtest.Sink)
			a := newAsker(s, events)
			q := question
			q.Method = signum.SIM
			var final State
			p := a.Ask(q, func(s State) { final = s })
			time.Sleep(10 * time.Second)
			synctest.Wait() // the query of this moment has ended
			before := s.queries
			tt.end(a, p)
			synctest.Wait()
			time.Sleep(10 * time.Second)
			if s.queries != before || final != Failed {
				t.Errorf("%s: %d further queries, ended as %q", name, s.queries-before, final)
			}
			if e := events.Events(); len(e) != 1 || e[0].Reason != tt.reason {
				t.Errorf("%s: events %+v", name, e)
			}
			a.Close()
		})
	}
}
