package portal

import (
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// brokenClock panics while it is broken.
type brokenClock struct{ broken atomic.Bool }

func (c *brokenClock) Now() time.Time {
	if c.broken.Load() {
		panic("the clock is broken")
	}
	return time.Now()
}

var incidentShown = regexp.MustCompile(`quote ([A-Z2-7]{12})\.`)

// A call that panics is answered with the page of an internal error. The page, the
// event and the stack in the log have the same incident, and the next call is served.
func TestPortalPanics(t *testing.T) {
	for name, tc := range map[string]struct {
		fault  func(*fakeWorld, *brokenClock)
		method string
		path   string
		op     string
	}{
		"a page":                              {func(f *fakeWorld, _ *brokenClock) { f.panics = "Subscriber" }, "GET", "/me", "overview"},
		"a form":                              {func(f *fakeWorld, _ *brokenClock) { f.panics = "invite" }, "POST", "/me/app", "consent"},
		"a page, with the sessions locked":    {func(_ *fakeWorld, c *brokenClock) { c.broken.Store(true) }, "GET", "/me/activity", "activity"},
		"a poll, with the log-ins locked":     {func(_ *fakeWorld, c *brokenClock) { c.broken.Store(true) }, "GET", "/me/login/status", "login status"},
		"removing, after the certificate was": {func(f *fakeWorld, _ *brokenClock) { f.panics = "remove" }, "POST", "/me/device", "consent"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, clock := newFakeWorld(), &brokenClock{}
				p, sink, log := observe(t, f, clock)
				b := loggedIn(t, p, portalNumber)
				if tc.op == "login status" { // only a log-in that waits reads the clock
					b = newPortalTab(t, p)
					f.after = time.Hour
					b.begin(otherNumber, "app")
				}
				send := func() (int, string) {
					if tc.method == "GET" {
						w := b.send("GET", tc.path, nil)
						return w.Code, w.Body.String()
					}
					form := b.form("/me/suspend")
					form.Set("id", "app1")
					form.Set("confirm", "yes")
					form.Set("method", "app")
					tc.fault(f, clock)
					b.send("POST", tc.path, form)
					time.Sleep(statusPause)
					w := b.send("GET", "/me/consent", nil)
					return w.Code, w.Body.String()
				}
				synctest.Wait() // the log-ins have sent their requests
				if tc.method == "GET" {
					tc.fault(f, clock)
				}
				code, body := send()
				has(t, body, "<h1>Something went wrong")
				m := incidentShown.FindStringSubmatch(body)
				if code != http.StatusInternalServerError || m == nil {
					t.Fatalf("status %d, incident %q in\n%s", code, m, body)
				}
				e := sink.Last(t, tc.op)
				if e.Incident != m[1] || e.Status != code || e.Label() != "internal" {
					t.Errorf("event %+v, incident %s", e, m[1])
				}
				if !strings.Contains(log.String(), "incident="+m[1]) || !strings.Contains(log.String(), "goroutine") {
					t.Errorf("no stack of %s in the log:\n%s", m[1], log)
				}
				f.panics = ""
				clock.broken.Store(false)
				tc.fault = func(*fakeWorld, *brokenClock) {}
				if code, body := send(); code != http.StatusOK && code != http.StatusSeeOther {
					t.Errorf("the next call: %d\n%s", code, body)
				}
			})
		})
	}
}

// A log-in whose request panics looks like a person who does not answer.
func TestPortalLoginPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.panics = "Sign"
		p, sink, _ := observe(t, f, nil)
		_, body := newPortalTab(t, p).logIn(portalNumber)
		has(t, body, "<h1>Look at your phone")
		if e := sink.Last(t, "login outcome"); e.Incident == "" || e.Label() != "internal" {
			t.Errorf("event %+v", e)
		}
		f.panics = ""
		loggedIn(t, p, otherNumber)
	})
}
