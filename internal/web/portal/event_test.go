package portal

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/event/eventtest"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
	"github.com/signum-mssp/signum/internal/web/prompt"
)

// observe returns a portal with its events and its log.
func observe(t *testing.T, f *fakeWorld, clock mssp.Clock) (*Portal, *eventtest.Sink, *testkit.Buffer) {
	t.Helper()
	sink, log := &eventtest.Sink{}, &testkit.Buffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	if clock == nil {
		clock = mssp.SystemClock{}
	}
	p := newTestPortal(t, f, func(c *Config) {
		c.Clock, c.Logger, c.Events = clock, logger, event.New(mssp.SystemClock{}, logger, sink)
	})
	return p, sink, log
}

// Each call is one event with its source, operation and outcome.
func TestPortalEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p, sink, log := observe(t, f, nil)
		b := loggedIn(t, p, portalNumber)
		outcome := sink.Last(t, "login outcome")
		if outcome.Code != signum.SignatureMade || outcome.TransID == "" || outcome.APID != "mid://portal" || outcome.MSISDN != portalNumber || outcome.Source != "192.0.2.7" {
			t.Errorf("outcome %+v", outcome)
		}
		b.open("/me/login/status")
		b.send("GET", "/me/assets/portal.css", nil)
		if n := sink.Count("login status") + sink.Count("asset"); n != 0 {
			t.Errorf("%d events of successful polls and assets", n)
		}
		b.send("GET", "/me/assets/nothing", nil)
		b.submit("/me/suspend", "/me/suspend")
		b.open("/me/device?id=app2")
		stranger := newPortalTab(t, p)
		stranger.open("/me/activity")
		stranger.header.Set("Sec-Fetch-Site", "cross-site")
		stranger.send("POST", "/me/login", nil)
		stranger.send("POST", "/me", nil)
		for _, want := range []event.Event{
			{Op: "login", Status: 403, Reason: "cross_site"},
			{Op: "login wait", Status: 303, MSISDN: portalNumber},
			{Op: "overview", Status: 200, MSISDN: portalNumber},
			{Op: "asset", Status: 404, Reason: "missing"},
			{Op: "suspension", Status: 422, Reason: "unconfirmed", MSISDN: portalNumber},
			{Op: "device page", Status: 404, Reason: "missing", MSISDN: portalNumber},
			{Op: "activity", Status: 303, Reason: "no session"},
			{Op: "other", Status: 403, Reason: "cross_site"},
		} {
			got := sink.Last(t, want.Op)
			if got.Entrance != "portal" || got.Source != "192.0.2.7" {
				t.Errorf("%s: entrance %q, source %q", want.Op, got.Entrance, got.Source)
			}
			got = event.Event{Op: got.Op, Status: got.Status, Reason: got.Reason, MSISDN: got.MSISDN, Device: got.Device}
			if got != want {
				t.Errorf("event %+v, want %+v", got, want)
			}
		}
		if strings.Contains(log.String(), portalNumber) {
			t.Errorf("the number is in the log in full:\n%s", log)
		}
	})
}

// The outcome of a log-in is an event with its reason.
func TestPortalLoginOutcomeEvents(t *testing.T) {
	for name, tc := range map[string]struct {
		sign   error
		answer error
		label  string
		fault  bool // the service is at fault
		note   string
	}{
		"declined":       {answer: signum.NewFault(signum.UserCancel), label: "401"},
		"unknown number": {sign: signum.NewFault(signum.UnknownClient), label: "105"},
		"party refused":  {sign: signum.NewFault(signum.UnauthorizedAccess), label: "104", fault: true},
		"broken":         {sign: errors.New("broken"), label: "internal", fault: true},
		"status broken":  {answer: errors.New("broken"), label: "208", note: "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeWorld()
				f.signErr, f.answer = tc.sign, func() error { return tc.answer }
				p, sink, _ := observe(t, f, nil)
				newPortalTab(t, p).logIn(portalNumber)
				time.Sleep(prompt.Timeout + statusPause)
				synctest.Wait()
				e := sink.Last(t, "login outcome")
				if e.Label() != tc.label || (e.Cause != nil) != tc.fault || (e.Incident != "") != tc.fault || e.Note != tc.note {
					t.Errorf("event %+v", e)
				}
			})
		})
	}
}
