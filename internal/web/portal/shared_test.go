package portal

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// values are shared values in memory.
type values struct {
	mu   sync.Mutex
	m    map[string][]byte
	fail error
}

func (v *values) Once(context.Context, string, string, time.Time) (bool, error) { panic("not used") }
func (v *values) TakeValue(context.Context, string, string) ([]byte, error)     { panic("not used") }

func (v *values) KeepValue(context.Context, string, string, []byte, time.Time) ([]byte, error) {
	panic("not used")
}

func (v *values) PutValue(_ context.Context, kind, key string, value []byte, _ time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fail == nil {
		v.m[kind+" "+key] = value
	}
	return v.fail
}

func (v *values) Value(_ context.Context, kind, key string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if value, ok := v.m[kind+" "+key]; ok || v.fail != nil {
		return value, v.fail
	}
	return nil, mssp.ErrNotFound
}

func (v *values) setFail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fail = err
}

// nodes runs a test with the portals of two nodes, whose clocks differ by a second.
func nodes(t *testing.T, run func(t *testing.T, f *fakeWorld, v *values, a, b *Portal)) {
	synctest.Test(t, func(t *testing.T) {
		f, v, key := newFakeWorld(), &values{m: map[string][]byte{}}, make([]byte, 32)
		rand.Read(key)
		share := func(c *Config) { c.Shared, c.Key, c.Agreed = v, key, time.Now }
		a := newTestPortal(t, f, share)
		b := newTestPortal(t, f, share, func(c *Config) { c.Clock = ahead{} })
		run(t, f, v, a, b)
		a.Close()
		b.Close()
	})
}

type ahead struct{ mssp.SystemClock }

func (ahead) Now() time.Time { return time.Now().Add(time.Second) }

// What ends the sessions of a user at one node ends them at all; the session that asked for it
// goes on, and so does one that begins afterwards.
func TestSessionsEndAtAllNodes(t *testing.T) {
	for name, end := range map[string]func(a *Portal, owner *portalTab){
		"the user ends all others": func(_ *Portal, owner *portalTab) { owner.submit("/me/sessions", "/me/sessions", "id", "") },
		"an objection":             func(a *Portal, _ *portalTab) { a.EndSessions(portalNumber) },
		"a change is reported":     func(a *Portal, _ *portalTab) { a.stranger(portalNumber) },
	} {
		t.Run(name, func(t *testing.T) {
			nodes(t, func(t *testing.T, _ *fakeWorld, _ *values, a, b *Portal) {
				owner, other, stranger := newPortalTab(t, a), newPortalTab(t, b), newPortalTab(t, b)
				owner.logIn(portalNumber)
				other.logIn(otherNumber)
				stranger.logIn(portalNumber)
				if stranger.open("/me"); stranger.at != "/me" {
					t.Fatalf("no session: %s", stranger.at)
				}
				time.Sleep(time.Second)
				end(a, owner)
				if stranger.open("/me"); !strings.HasPrefix(stranger.at, "/me/login") {
					t.Errorf("the session at the other node goes on: %s", stranger.at)
				}
				if other.open("/me"); other.at != "/me" {
					t.Errorf("the session of another user ended: %s", other.at)
				}
				if owner.open("/me"); (owner.at == "/me") != (name == "the user ends all others") {
					t.Errorf("the owner is at %s", owner.at)
				}
			})
		})
	}
}

// A log-in that a user has reported at one node leads to no session at the other, even if it was
// approved, and strangers do not reach the phone there either.
func TestReportAtAnotherNode(t *testing.T) {
	nodes(t, func(t *testing.T, f *fakeWorld, _ *values, a, b *Portal) {
		stranger, later := newPortalTab(t, b), newPortalTab(t, b)
		stranger.begin(portalNumber, "app")
		time.Sleep(statusPause)
		a.reported(portalNumber)
		if stranger.open("/me/login/wait"); stranger.at != "/me/login?over" {
			t.Errorf("at %s", stranger.at)
		}
		asked := len(f.requests())
		later.remote = "198.51.100.7:1000"
		later.begin(portalNumber, "app")
		time.Sleep(statusPause)
		if n := len(f.requests()) - asked; n > 0 {
			t.Errorf("the phone was asked %d times after the report", n)
		}
		if later.open("/me/login/wait"); later.at != "/me/login/wait" {
			t.Errorf("at %s", later.at)
		}
	})
}

// A form of one node is taken by the other, and so is a browser that is known.
func TestKeyOfAllNodes(t *testing.T) {
	nodes(t, func(t *testing.T, _ *fakeWorld, _ *values, a, b *Portal) {
		if a.token("cookie") != b.token("cookie") || a.knownValue(portalNumber, 1) != b.knownValue(portalNumber, 1) {
			t.Error("each node has a key of its own")
		}
		alone := newTestPortal(t, newFakeWorld())
		if alone.token("cookie") == a.token("cookie") {
			t.Error("a node that is alone has the same key")
		}
		alone.Close()
	})
}

// While it is not known whether a session has ended, it does nothing.
func TestSharedValuesFail(t *testing.T) {
	nodes(t, func(t *testing.T, f *fakeWorld, v *values, _, b *Portal) {
		owner, stranger := newPortalTab(t, b), newPortalTab(t, b)
		owner.logIn(portalNumber)
		stranger.remote = "198.51.100.7:1000"
		stranger.begin(portalNumber, "app")
		time.Sleep(statusPause)
		v.setFail(errors.New("no database"))
		if status, _ := owner.open("/me"); status != 500 {
			t.Errorf("a page of a session: %d", status)
		}
		if status, _ := stranger.open("/me/login/wait"); status != 500 {
			t.Errorf("a log-in that was approved: %d", status)
		}
		asked := len(f.requests())
		stranger = newPortalTab(t, b)
		stranger.remote = "203.0.113.7:1000"
		stranger.begin(portalNumber, "app")
		time.Sleep(statusPause)
		if len(f.requests()) > asked {
			t.Error("a stranger reaches a phone that may be barred")
		}
	})
}
