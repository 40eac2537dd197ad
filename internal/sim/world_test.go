package sim

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	mrand "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
	"github.com/signum-mssp/signum/internal/sms"
)

var (
	ecKey, _  = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rsaKey, _ = rsa.GenerateKey(rand.Reader, 2048)
	certHash  = sha256.Sum256([]byte("certificate"))
	errStore  = errors.New("disk full")
)

func verify(key crypto.PublicKey, b, sig []byte) bool {
	sum := sha256.Sum256(b)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum[:], sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) == nil
	}
	return false
}

// world is a service, a network and cards.
type world struct {
	t      testing.TB
	store  *fakeStore
	ring   *simcards.KeyRing
	engine *fakeEngine
	net    *fakeNet
	cfg    Config
	ch     *Channel
	number int
	from   string // the SMSC of what is delivered

	mu     sync.Mutex
	events []event.Event // one for each deliver_sm
}

var service = smpp.Address{TON: 1, NPI: 1, Addr: "41790000001"}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	ring, err := simcards.NewKeyRing([]byte("the master key of the test cards"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, ring: ring, engine: &fakeEngine{pending: map[string][]mssp.DeviceRequest{}},
		store: &fakeStore{cards: map[string]*mssp.Card{}, iccid: map[string]*mssp.Card{}},
		net:   &fakeNet{cards: map[string]*fakeCard{}},
	}
	w.cfg = Config{Store: w.store, Keys: ring, Send: only(w.net.submit), ServiceAddress: service}
	for _, f := range change {
		f(&w.cfg)
	}
	w.start()
	return w
}

// start starts a node with nothing in memory.
func (w *world) start() {
	ch, err := New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ch.Connect(w.engine, w.engine)
	w.net.mu.Lock()
	w.ch = ch
	w.net.deliver = w.deliver
	w.net.mu.Unlock()
}

// deliver delivers a message as the SMPP client does.
func (w *world) deliver(d *smpp.DeliverSM) smpp.Status {
	w.net.mu.Lock()
	ch := w.ch
	w.net.mu.Unlock()
	e := &event.Event{Entrance: "smpp", Op: "deliver"}
	st := ch.Deliver(ctx, w.from, d, e)
	e.Status = int(st)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, *e)
	if w.cfg.Logger != nil {
		event.New(mssp.SystemClock{}, w.cfg.Logger).Emit(ctx, e)
	}
	return st
}

// event is the event of the last delivery.
func (w *world) event() event.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[len(w.events)-1]
}

func (w *world) restart() {
	w.ch.Close()
	w.start()
}

func (w *world) card(key crypto.Signer) *fakeCard {
	w.number++
	n := w.number
	f := &fakeCard{
		net: w.net, msisdn: fmt.Sprintf("+4178%07d", n), iccid: fmt.Sprintf("894101%013d", n), device: fmt.Sprintf("sim-%d", n),
		keys: scp80.Keys{KIc: randomKey(), KID: randomKey()}, keySet: 3, key: key,
		parts: sms.NewReassembler(time.Minute, 64), cache: map[[9]byte]*applet.Reply{},
		think: 5 * time.Second, counter: uint64(n),
	}
	record := &mssp.Card{
		ICCID: f.iccid, DeviceID: f.device, MSISDN: f.msisdn, State: mssp.CardActive, KeySet: f.keySet,
		Algorithm: mssp.CardAES, Counter: f.counter,
	}
	if err := w.ring.SetKeys(record, f.keys); err != nil {
		w.t.Fatal(err)
	}
	w.store.put(record)
	w.net.mu.Lock()
	w.net.cards[f.msisdn] = f
	w.net.mu.Unlock()
	return f
}

func signerOf(key any) crypto.Signer { return key.(crypto.Signer) }

func textLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func seeded(seed uint64) *mrand.Rand { return mrand.New(mrand.NewPCG(seed, seed)) }

func randomKey() []byte {
	k := make([]byte, 16)
	_, _ = rand.Read(k)
	return k
}

const lifetime = 80 * time.Second

func (w *world) request(f *fakeCard, op mssp.DeviceOp, transID, text string) mssp.DeviceRequest {
	now := time.Now()
	r := mssp.DeviceRequest{
		Op: op, TransID: transID, Party: mssp.PartyIdentity{Name: "Bank"}, MSISDN: f.msisdn, DeviceID: f.device, Method: signum.SIM, Lang: "en",
		MimeType: signum.MimeText, Text: text, KeyType: signum.EC, Created: now, Expires: now.Add(lifetime),
	}
	if _, ok := f.key.(*rsa.PrivateKey); ok {
		r.KeyType = signum.RSA
	}
	if op == mssp.OpSign {
		r.SignedAttrs = cms.RebuildAttributes([]byte(text), now, certHash)
	}
	return r
}

// ask makes a request pending and sends it.
func (w *world) ask(r mssp.DeviceRequest) {
	w.t.Helper()
	w.engine.mu.Lock()
	w.engine.pending[r.DeviceID] = append(w.engine.pending[r.DeviceID], r)
	w.engine.mu.Unlock()
	if err := w.ch.Send(context.Background(), r); err != nil {
		w.t.Fatalf("Send: %v", err)
	}
}

// one returns the answer; it must be the only one.
func (w *world) one() mssp.DeviceAnswer {
	w.t.Helper()
	all := w.engine.answers()
	if len(all) != 1 {
		w.t.Fatalf("%d answers, want one: %+v\n%s", len(all), all, w.dump())
	}
	return all[0]
}

func (w *world) code(want signum.Code) {
	w.t.Helper()
	a := w.one()
	if a.Fault == nil || a.Fault.Code != want {
		w.t.Errorf("answer %+v, fault %v; want %d", a, a.Fault, int(want))
	}
}

// empty checks that nothing is left in memory.
func (w *world) empty() {
	w.t.Helper()
	s := w.ch.Stats()
	w.ch.mu.Lock()
	ids, numbers := len(w.ch.table.byID), len(w.ch.table.byMSISDN)+len(w.ch.stalls)
	w.ch.mu.Unlock()
	if s.Pending != 0 || s.Queued != 0 || s.Reassembling != 0 || ids != 0 || numbers != 0 {
		w.t.Errorf("left in memory: %+v, %d, %d", s, ids, numbers)
	}
}

func (w *world) dump() string {
	var b writer
	w.net.mu.Lock()
	numbers := slices.Sorted(maps.Keys(w.net.cards))
	w.net.mu.Unlock()
	for _, n := range numbers[:min(len(numbers), 3)] {
		for _, e := range w.ch.Trace(n) {
			e.Format(&b)
		}
	}
	return string(b)
}

type writer []byte

func (w *writer) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

func withdrawal(device, id string) mssp.Withdrawal {
	return mssp.Withdrawal{TransID: id, DeviceID: device, Reason: mssp.EndWithdrawn}
}

// only is the way to an SMSC without a name or a style of its own.
func only(submit group.Submit) group.Sender {
	return func(_ context.Context, send func(*group.Route) error) error {
		return send(&group.Route{Style: &group.Style{}, Submit: submit})
	}
}
