package portal

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// nodes runs a test with the portals of two nodes, whose clocks differ by a second.
func nodes(t *testing.T, run func(t *testing.T, f *fakeWorld, v *storetest.Values, a, b *Portal)) {
	synctest.Test(t, func(t *testing.T) {
		f, v, key := newFakeWorld(), new(storetest.Values), make([]byte, 32)
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
			nodes(t, func(t *testing.T, _ *fakeWorld, _ *storetest.Values, a, b *Portal) {
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
	nodes(t, func(t *testing.T, f *fakeWorld, _ *storetest.Values, a, b *Portal) {
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
	nodes(t, func(t *testing.T, _ *fakeWorld, _ *storetest.Values, a, b *Portal) {
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
	nodes(t, func(t *testing.T, f *fakeWorld, v *storetest.Values, _, b *Portal) {
		owner, stranger := newPortalTab(t, b), newPortalTab(t, b)
		owner.logIn(portalNumber)
		stranger.remote = "198.51.100.7:1000"
		stranger.begin(portalNumber, "app")
		time.Sleep(statusPause)
		v.Fail(errors.New("no database"))
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

// web are the nodes of a test: each passes requests on to the others.
type web struct {
	mu      sync.Mutex
	portals map[string]*Portal // by ID
	asked   int
	fail    error
}

type webNode struct {
	*web
	id string
}

func (n webNode) ID() string { return n.id }

func (n webNode) Lives(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.portals[node] != nil
}

func (n webNode) Others() (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.portals {
		if id != n.id {
			all = append(all, id)
		}
	}
	return all
}

func (n webNode) Ask(ctx context.Context, node string, request []byte) ([]byte, error) {
	n.mu.Lock()
	p, fail := n.portals[node], n.fail
	n.asked++
	n.mu.Unlock()
	if p == nil || fail != nil {
		return nil, errors.Join(fail, errors.New("no such node"))
	}
	return p.Relayed(ctx, request)
}

// relaying returns the portals of three nodes that pass requests on.
func relaying(t *testing.T, f *fakeWorld) (*web, []*Portal) {
	v, key := new(storetest.Values), make([]byte, 32)
	rand.Read(key)
	w := &web{portals: make(map[string]*Portal)}
	var all []*Portal
	for _, id := range []string{"n-A", "n-B", "n-C"} {
		p := newTestPortal(t, f, func(c *Config) { c.Shared, c.Key, c.Agreed, c.Nodes = v, key, time.Now, webNode{w, id} })
		w.portals[id] = p
		all = append(all, p)
	}
	return w, all
}

// turns serves each request at the next of several nodes.
type turns struct {
	all []*Portal
	n   int
}

func (h *turns) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.n++
	h.all[h.n%len(h.all)].Handler().ServeHTTP(w, r)
}

// A browser whose requests come to any node logs in, sees its account, changes it, and logs out, as at
// one node.
func TestAnyNodeServesPages(t *testing.T) {
	for _, method := range []string{"app", "sim"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeWorld()
				w, all := relaying(t, f)
				b := newPortalTab(t, all[0])
				b.h = &turns{all: all}
				b.begin(portalNumber, method)
				time.Sleep(statusPause)
				if method == "sim" {
					b.submit("/me/login/wait", "/me/login/code", "code", f.simCode(t))
				}
				for range 3 { // the polls of the page
					b.send("GET", "/me/login/status", nil)
				}
				if b.open("/me/login/wait"); b.at != "/me" {
					t.Fatalf("at %s", b.at)
				}
				for _, page := range []string{"/me", "/me/activity", "/me/sessions", "/me/app", "/me/device?id=x"} {
					if b.open(page); strings.HasPrefix(b.at, "/me/login") {
						t.Errorf("%s: at %s", page, b.at)
					}
				}
				_, page := b.open("/me/sessions")
				has(t, page, "192.0.2.7", "This one") // the address of the browser, and not of a node
				if _, page = b.sign("/me/recovery", "/me/recovery"); !strings.Contains(page, "W4XD") {
					t.Errorf("no recovery code: %s", b.at)
				}
				b.submit("/me", "/me/logout")
				for range 3 {
					if b.open("/me"); !strings.HasPrefix(b.at, "/me/login") {
						t.Errorf("after the end of the session: at %s", b.at)
					}
				}
				if w.asked < 10 {
					t.Errorf("%d requests were passed on", w.asked)
				}
				for _, p := range all {
					p.Close()
				}
			})
		})
	}
}

// The owner sees the sessions at all nodes, and ends one of them.
func TestSessionsOfAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := relaying(t, newFakeWorld())
		owner, thief, other := newPortalTab(t, all[0]), newPortalTab(t, all[1]), newPortalTab(t, all[1])
		thief.remote = "198.51.100.66:1"
		owner.logIn(portalNumber)
		thief.logIn(portalNumber)
		other.logIn(otherNumber)
		_, page := owner.open("/me/sessions")
		has(t, page, "198.51.100.66", "This one")
		if n := strings.Count(page, `name="id"`); n != 1 {
			t.Errorf("%d sessions can be ended", n)
		}
		w.mu.Lock()
		w.fail = errors.New("slow")
		w.mu.Unlock()
		_, page = owner.open("/me/sessions")
		has(t, page, "This one")
		w.mu.Lock()
		w.fail = nil
		w.mu.Unlock()
		id := all[1].sessions.list(portalNumber, nil)[0].ID
		other.submit("/me/sessions", "/me/sessions", "id", id) // another user cannot
		if thief.open("/me"); thief.at != "/me" {
			t.Errorf("at %s", thief.at)
		}
		owner.submit("/me/sessions", "/me/sessions", "id", id)
		if thief.open("/me"); thief.at != "/me/login?over" {
			t.Errorf("the thief is at %s", thief.at)
		}
		for _, p := range all {
			p.Close()
		}
	})
}

// A stranger whose cookie names another node makes the nodes work for each request, but not for
// more than a limit; others are served meanwhile.
func TestStrangerIsPassedOnSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := relaying(t, newFakeWorld())
		owner, stranger := newPortalTab(t, all[0]), newPortalTab(t, all[1])
		owner.logIn(portalNumber)
		stranger.cookies[loginCookie] = &http.Cookie{Name: loginCookie, Path: "/me/login", Value: "n-A.x"}
		stranger.remote = "198.51.100.66:1"
		var refused *httptest.ResponseRecorder
		for range 2 * relayRate.Burst {
			if a := stranger.send("GET", "/me/login/status", nil); a.Code == http.StatusTooManyRequests {
				refused = a
			}
		}
		if refused == nil || refused.Header().Get("Retry-After") == "" || w.asked > relayRate.Burst+1 {
			t.Errorf("%d requests were passed on, refused: %v", w.asked, refused)
		}
		owner.h = all[1].Handler()
		if owner.open("/me"); owner.at != "/me" {
			t.Errorf("the owner is at %s", owner.at)
		}
		for range maxRelaying {
			all[1].relaying <- struct{}{}
		}
		if status, _ := owner.open("/me"); status != http.StatusTooManyRequests {
			t.Errorf("beyond what is passed on at a time: %d", status)
		}
		for _, p := range all {
			p.Close()
		}
	})
}

// The node that has a session dies: its user logs in again, at any other one. A node that does not
// answer is an error, and the session stays.
func TestNodeOfASessionDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		w, all := relaying(t, f)
		b := newPortalTab(t, all[0])
		b.logIn(portalNumber)
		b.h = all[1].Handler()
		if b.open("/me"); b.at != "/me" {
			t.Fatalf("at %s", b.at)
		}
		w.mu.Lock()
		w.fail = errors.New("slow")
		w.mu.Unlock()
		if status, _ := b.open("/me"); status != http.StatusInternalServerError {
			t.Errorf("a node that does not answer: %d", status)
		}
		w.mu.Lock()
		w.fail = nil
		w.mu.Unlock()
		if b.open("/me"); b.at != "/me" {
			t.Errorf("the session is lost: at %s", b.at)
		}
		w.mu.Lock()
		delete(w.portals, "n-A")
		w.mu.Unlock()
		if b.open("/me"); b.at != "/me/login?over" {
			t.Errorf("at %s", b.at)
		}
		if b.logIn(portalNumber); b.at != "/me" {
			t.Errorf("logged in again: at %s", b.at)
		}
		for _, p := range all {
			p.Close()
		}
	})
}

// What is no request, or asks for too much, is answered with an error and does nothing else.
func TestRelayedNonsense(t *testing.T) {
	p := newTestPortal(t, newFakeWorld())
	for _, q := range []string{"", "{", `{"method":"GET ME"}`, `{"method":"GET","uri":":"}`} {
		if _, err := p.Relayed(t.Context(), []byte(q)); err == nil {
			t.Errorf("%q is served", q)
		}
	}
	for _, q := range []string{`{"method":"GET","uri":"/me"}`, `{"method":"POST","uri":"/me/logout","client":"x"}`} {
		if a, err := p.Relayed(t.Context(), []byte(q)); err != nil || !strings.Contains(string(a), `"status":`) {
			t.Errorf("%q: %s, %v", q, a, err)
		}
	}
}

func FuzzRelayed(f *testing.F) {
	f.Add([]byte(`{"method":"POST","uri":"/me/login","host":"h","client":"192.0.2.1","header":{"Cookie":["signum_login=n-A.x"]},"body":"dG9rZW49eA=="}`))
	p, err := New(Config{Signer: newFakeWorld(), Pending: newFakeWorld(), Store: newFakeWorld(), Apps: newFakeWorld(), CA: newFakeWorld(), Accounts: newFakeWorld(),
		Party: "p", ServiceName: "s", WebURL: func() string { return portalURL }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, q []byte) { _, _ = p.Relayed(t.Context(), q) })
}
