package smsc_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const phoneNumber = "+41791234567"

var (
	service = smpp.Address{TON: 0, NPI: 1, Addr: "555"}
	phone   = smpp.Address{TON: 1, NPI: 1, Addr: phoneNumber[1:]}
)

// pipes is a listener whose connections live in the bubble of a synctest.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
	case <-ctx.Done():
	}
	return nil, errors.New("nobody listens")
}

// radio is a network whose phones answer as a test tells them.
type radio struct {
	mu     sync.Mutex
	answer func(n int, msisdn string, tpdu []byte) ([]byte, error) // n from 1; nil acknowledges
	got    []arrival
	start  time.Time
	wait   time.Duration // the duration of each delivery
}

type arrival struct {
	at     time.Duration
	msisdn string
	*sms.Deliver
}

func (r *radio) DeliverSM(ctx context.Context, msisdn string, tpdu []byte) ([]byte, error) {
	d, err := sms.ParseDeliver(tpdu)
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(r.wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, arrival{time.Since(r.start), msisdn, d})
	if r.answer == nil {
		return nil, nil
	}
	return r.answer(len(r.got), msisdn, tpdu)
}

func (r *radio) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]arrival(nil), r.got...)
}

func (r *radio) answers(f func(n int, msisdn string, tpdu []byte) ([]byte, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func report(f sms.Failure) []byte {
	b, err := (&sms.Report{Failure: f}).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return b
}

// inbox is what an ESME has received.
type inbox struct {
	mu     sync.Mutex
	got    []*smpp.DeliverSM
	at     []time.Time
	answer func(n int) smpp.Status
}

func (i *inbox) deliver(_ context.Context, d *smpp.DeliverSM, _ *event.Event) smpp.Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, d)
	i.at = append(i.at, time.Now())
	if i.answer == nil {
		return smpp.StatusOK
	}
	return i.answer(len(i.got))
}

func (i *inbox) all() []*smpp.DeliverSM {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]*smpp.DeliverSM(nil), i.got...)
}

// world is a service centre with a radio network and an ESME.
type world struct {
	t     *testing.T
	smsc  *smsc.SMSC
	radio *radio
	inbox *inbox
	net   *pipes
	esme  *smpp.Client
	stop  func()
}

// newWorld must be called in a bubble. The ESME is bound when it returns.
func newWorld(t *testing.T, cfg smsc.Config) *world {
	t.Helper()
	w := &world{t: t, radio: &radio{start: time.Now()}, inbox: &inbox{}, net: newPipes()}
	cfg.Listener, cfg.Radio = w.net, w.radio
	cfg.Credentials = map[string]string{"signum": "secret", "other": "secret"}
	var err error
	if w.smsc, err = smsc.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.smsc.Close)
	w.bind()
	return w
}

func (w *world) bind() { w.as("signum") }

// as binds one more ESME.
func (w *world) as(systemID string) {
	w.t.Helper()
	var err error
	w.esme, err = smpp.NewClient(smpp.ClientConfig{
		Addr: "smsc:2775", SystemID: systemID, Password: "secret", Dial: w.net.dial, Deliver: w.inbox.deliver, Window: 100,
		MinBackoff: 100 * time.Millisecond, MaxBackoff: time.Second,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = w.esme.Run(ctx) }()
	w.stop = func() { cancel(); <-ran }
	w.t.Cleanup(w.stop)
	synctest.Wait()
	if w.esme.Bound() != 1 {
		w.t.Fatal("not bound")
	}
}

func (w *world) send(m *smpp.SubmitSM) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return w.esme.Submit(ctx, m)
}

// binary returns a message for a SIM.
func binary(mode byte) *smpp.SubmitSM {
	return &smpp.SubmitSM{
		Source: service, Dest: phone, ESMClass: smpp.UDHI | mode, ProtocolID: sms.PIDDataDownload, DataCoding: sms.DCSCard,
		ShortMessage: []byte{2, 0x70, 0, 0xde, 0xad}, Validity: smpp.RelativeTime(58 * time.Second),
	}
}

// numbered returns a message that can be told from others.
func numbered(n byte) *smpp.SubmitSM {
	m := binary(smpp.ModeStoreAndForward)
	m.ShortMessage = []byte{2, 0x70, 0, n}
	return m
}

func last(d *sms.Deliver) byte { return d.UD[len(d.UD)-1] }

// fromPhone returns an SMS-SUBMIT with a number in it.
func fromPhone(t testing.TB, n byte) []byte {
	t.Helper()
	b, err := (&sms.Submit{UDHI: true, To: sms.Address{NPI: 1, Digits: "555"}, DCS: sms.DCSCard, UD: []byte{2, 0x70, 0, n}}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
