package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must happen. It is long,
// because a busy machine is slow; a test that passes does not wait for it.
const patience = 2 * time.Minute

// onStores runs a test on both databases, in parallel.
func onStores(t *testing.T, f func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, "sqlite:"+filepath.Join(t.TempDir(), "signum.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, pgtest.URL(t))
	})
}

var testPin = mssp.Pin{1}

// world is a node with its users and phones. Clock and database can be shared
// with another node.
type world struct {
	*Engine
	t      testing.TB
	store  *store.Store
	ca     *ca.Issuer
	phones *phonetest.Phones
	clock  *testkit.Clock
	keys   *phonetest.Keys
	shown  chan string // transaction ids, as texts appear on screens
	texts  chan string // text messages, as they arrive
	active chan string // devices, as they are activated
	log    *testkit.Buffer
	stop   func()
}

var authority = sync.OnceValues(func() (*ca.Authority, error) {
	return ca.Create(ca.Config{Test: true, URL: "http://127.0.0.1:1"}, time.Now())
})

// newWorld starts a node on the database. If another world is given, the new one takes
// over its clock and its phones' keys.
func newWorld(t testing.TB, url string, before *world, changes ...func(*Config, *world)) *world {
	t.Helper()
	w := &world{t: t, clock: testkit.NewClock(time.Now().Truncate(time.Second)), keys: new(phonetest.Keys), log: new(testkit.Buffer),
		shown: make(chan string, 1000), texts: make(chan string, 1000), active: make(chan string, 1000)}
	if before != nil {
		w.clock, w.keys = before.clock, before.keys
	}
	auth, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	if w.store, err = store.Open(context.Background(), url); err != nil {
		t.Fatal(err)
	}
	if w.ca, err = ca.New(auth, w.store, ca.Options{URL: "http://127.0.0.1:1", Clock: w.clock}); err != nil {
		t.Fatal(err)
	}
	w.phones = phonetest.New(phonetest.Config{
		Clock: w.clock, Keys: w.keys,
		Shown:     func(r mssp.DeviceRequest) { offer(w.shown, r.TransID) },
		Activated: func(deviceID string) { offer(w.active, deviceID) },
		Text:      func(m mssp.TextMessage) { offer(w.texts, m.MSISDN+" "+m.Text) },
	})
	c := Config{
		Store: w.store, Clock: w.clock, Chains: w.ca, MSSPURI: "mid://test", Issuer: w.ca, NewSerial: ca.NewSerial, Texts: w.phones, ServiceName: "Signum", HomeNetwork: "22801",
		Channels: map[signum.Method]mssp.Channel{signum.SIM: w.phones, signum.App: w.phones},
		Logger:   slog.New(slog.NewTextHandler(w.log, nil)),
		Sweep:    5 * time.Millisecond, Poll: 5 * time.Millisecond,
	}
	for _, change := range changes {
		change(&c, w)
	}
	if w.Engine, err = New(c); err != nil {
		t.Fatal(err)
	}
	w.phones.Connect(w.Engine)
	if before == nil {
		w.putParty(func(*mssp.Party) {})
	}
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			if err := errors.Join(w.phones.Close(), w.store.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(w.stop)
	return w
}

// offer sends if there is room. If there is none, no test is reading.
func offer[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

// run starts the engine. stop then stops it first, as a server would.
func (w *world) run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop := w.stop
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		stop()
	})
	w.t.Cleanup(w.stop)
}

func (w *world) putParty(change func(*mssp.Party)) {
	w.t.Helper()
	p := &mssp.Party{ID: "mid://ap", Name: "Bank", Logo: "ab12", EncryptedReceipts: true, DTBDPrefix: "Bank: ", Pins: []mssp.Pin{testPin}, Profiles: signum.SignatureProfiles,
		AuthProfile1: signum.ProfileAnyLoA4, DefaultLang: "en"}
	change(p)
	if err := w.store.PutParty(context.Background(), p); err != nil {
		w.t.Fatal(err)
	}
}

// addPhones puts the devices of an account into the network.
func (w *world) addPhones(s *mssp.Subscriber, behaviour phonetest.Action) {
	w.t.Helper()
	for i := range s.Devices {
		d := &s.Devices[i]
		spec := phonetest.Spec{ID: d.ID, MSISDN: s.MSISDN, Method: d.Method, KeyType: d.KeyType, Blank: d.State == signum.DeviceRegistered}
		if _, err := w.phones.Add(spec); err != nil {
			w.t.Fatal(err)
		}
	}
	if len(s.Devices) > 0 {
		if err := w.phones.Behave(s.MSISDN, behaviour); err != nil {
			w.t.Fatal(err)
		}
	}
}

// put stores an account.
func (w *world) put(s *mssp.Subscriber) {
	w.t.Helper()
	if err := w.store.PutSubscriber(context.Background(), s); err != nil {
		w.t.Fatal(err)
	}
}

// addUser makes the n-th account, with certified devices.
func (w *world) addUser(n int, behaviour phonetest.Action, k signum.KeyType, methods ...signum.Method) *mssp.Subscriber {
	w.t.Helper()
	ctx := context.Background()
	s := &mssp.Subscriber{MSISDN: fmt.Sprintf("+4179%07d", n), Serial: ca.NewSerial(), State: mssp.SubscriberActive}
	for i, m := range methods {
		id := fmt.Sprintf("%d-%s", n, m)
		if slices.Contains(methods[:i], m) {
			id += fmt.Sprintf("-%d", i+1)
		}
		s.Devices = append(s.Devices, mssp.Device{ID: id, Method: m, State: signum.DeviceActive, KeyType: k})
	}
	w.addPhones(s, behaviour)
	if err := w.store.PutSubscriber(ctx, s); err != nil {
		w.t.Fatal(err)
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		p, err := w.phones.Device(d.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		if d.Certificate, err = w.ca.Issue(ctx, s.Serial, d.ID, p.Key().Public()); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.store.PutSubscriber(ctx, s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

var counter struct {
	sync.Mutex
	n int
}

func (w *world) header() signum.Header {
	counter.Lock()
	defer counter.Unlock()
	counter.n++
	return signum.Header{
		AP: signum.APInfo{ID: "mid://ap", TransID: fmt.Sprintf("T%d", counter.n), Instant: signum.FormatInstant(w.clock.Now())},
	}
}

type change = func(*signum.SignatureRequest)

func async(r *signum.SignatureRequest) { r.MessagingMode = signum.AsynchClientServer }

func profile(uri string) change { return func(r *signum.SignatureRequest) { r.Profile = uri } }

func (w *world) request(s *mssp.Subscriber, changes ...change) *signum.SignatureRequest {
	r := &signum.SignatureRequest{
		Header: w.header(), MessagingMode: signum.Synch, MSISDN: s.MSISDN, Profile: signum.ProfileAnyLoA4,
		Data: signum.DataToBeSigned{Data: "Bank: Login?"},
	}
	for _, c := range changes {
		c(r)
	}
	return r
}

func (w *world) ask(s *mssp.Subscriber, changes ...change) (*signum.SignatureResponse, error) {
	return w.Sign(w.t.Context(), &mssp.Caller{Pin: testPin}, w.request(s, changes...))
}

// begin asks for a signature asynchronously and returns the transaction's ID.
func (w *world) begin(s *mssp.Subscriber, changes ...change) string {
	w.t.Helper()
	resp, err := w.ask(s, append(changes, async)...)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.Status != signum.RequestOK || resp.Signature != nil {
		w.t.Fatalf("asynchronous answer: %+v", resp)
	}
	return resp.TransID
}

// outcome returns the code of a transaction, from a status or from a fault.
func (w *world) outcome(id string) signum.Code {
	w.t.Helper()
	resp, err := w.Status(context.Background(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: id})
	if err != nil {
		return w.code(err)
	}
	return resp.Status
}

func (w *world) code(err error) signum.Code {
	w.t.Helper()
	if err == nil {
		return 0
	}
	flt := signum.AsFault(err)
	if flt == nil {
		w.t.Fatalf("not a fault: %v", err)
	}
	return flt.Code
}

// await waits until a transaction is no longer outstanding.
func (w *world) await(id string) signum.Code {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if c := w.outcome(id); c != signum.OutstandingTransact {
			return c
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatalf("transaction %s is still outstanding", id)
	return 0
}

func (w *world) awaitShown(id string) {
	w.t.Helper()
	for {
		select {
		case got := <-w.shown:
			if got == id {
				return
			}
		case <-time.After(patience):
			w.t.Fatalf("transaction %s was never shown", id)
		}
	}
}

var errAny = errors.New("any")
