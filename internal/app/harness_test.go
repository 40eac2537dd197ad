package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

const (
	alice       = "+41791234567"
	bob         = "+41797654321"
	aliceSerial = "MIDCHEALICE00001"
	service     = "signum-test"
)

// world is a server with all that it needs.
type world struct {
	t      testing.TB
	clock  *testkit.Clock
	store  *store
	ca     *authority
	engine *engine
	server *Server
	http   *httptest.Server
	log    *testkit.Buffer
	trap   *trap
	cfg    Config
}

// newWorld has two subscribers, Alice and Bob, whose accounts are unused.
func newWorld(t testing.TB, edit ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, clock: testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), log: new(testkit.Buffer), trap: new(trap)}
	w.store, w.engine = newStore(w.trap), newEngine(w.trap)
	w.ca = newAuthority(t, w.clock, w.store)
	w.store.subs[alice] = &mssp.Subscriber{MSISDN: alice, Serial: aliceSerial, State: mssp.SubscriberActive}
	w.store.subs[bob] = &mssp.Subscriber{MSISDN: bob, Serial: "MIDCHEBOB0000001", State: mssp.SubscriberActive}
	w.cfg = Config{
		Store: w.store, CA: w.ca, Clock: trapClock{w.clock, w.trap}, Service: service, NewSerial: serials(),
		Logger: slog.New(trapLog{slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}), w.trap}), OpenAPI: api.AppOpenAPI,
		VAPID:  VAPID{Contact: "mailto:ops@signum.example"},
		Limits: Limits{Begin: limit.PerMinute(10_000, 10_000), Device: limit.PerMinute(100_000, 100_000), Subscriber: limit.PerMinute(100_000, 100_000), Address: limit.PerMinute(1_000_000, 1_000_000)},
	}
	for _, f := range edit {
		f(&w.cfg)
	}
	w.boot()
	t.Cleanup(w.stop)
	return w
}

// boot starts a server on the existing store.
func (w *world) boot() {
	w.t.Helper()
	w.http = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.server.Handler().ServeHTTP(rw, r)
	}))
	w.cfg.WebURL = "http://" + w.http.Listener.Addr().String() + "/phone"
	s, err := New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	s.Connect(w.engine, w.engine)
	w.server = s
	w.http.Start()
}

func (w *world) stop() {
	w.server.Close()
	w.http.Close()
}

func (w *world) url() string { return w.http.URL }

func (w *world) origin() string {
	u, err := url.Parse(w.http.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Scheme + "://" + u.Host
}

func (w *world) invite(msisdn string, trusted bool) string {
	w.t.Helper()
	code, _, err := w.server.Invite(context.Background(), msisdn, trusted)
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

// enrol enrols a new phone of a subscriber.
func (w *world) enrol(msisdn string) *phone {
	w.t.Helper()
	p := newPhone(w)
	if r := p.enrol(w.invite(msisdn, true), ""); r.status != http.StatusOK {
		w.t.Fatalf("enrolment: %d %s", r.status, r.body)
	}
	return p
}

// ask makes the engine ask a phone to sign.
func (w *world) ask(p *phone, id string, edit ...func(*mssp.DeviceRequest)) mssp.DeviceRequest {
	w.t.Helper()
	now := w.clock.Now()
	r := mssp.DeviceRequest{
		Op: mssp.OpSign, TransID: id, Party: mssp.PartyIdentity{Name: "Example Bank"}, MSISDN: p.msisdn, DeviceID: p.device, Method: signum.App, Lang: "en", MimeType: "text/plain",
		Text: "Pay " + id, SignedAttrs: []byte("attrs of " + id), KeyType: signum.EC, Created: now, Expires: now.Add(2 * time.Minute),
	}
	for _, f := range edit {
		f(&r)
	}
	w.engine.add(r)
	if err := w.server.Send(context.Background(), r); err != nil && !errors.Is(err, mssp.ErrPostponed) {
		w.t.Fatal(err)
	}
	return r
}

func withdrawal(p *phone, id string) mssp.Withdrawal {
	return mssp.Withdrawal{TransID: id, MSISDN: p.msisdn, DeviceID: p.device, Reason: mssp.EndWithdrawn}
}

func display(r *mssp.DeviceRequest) { r.Op, r.SignedAttrs = mssp.OpDisplay, nil }

// patience bounds the wait for something that must happen. It is generous
// because the machine may be busy; a test that passes does not wait for it.
const patience = 2 * time.Minute

// eventually waits until a condition holds that other goroutines bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
