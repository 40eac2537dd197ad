package sim_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/engine"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
	"github.com/signum-mssp/signum/internal/store"
)

// pathConfig is how the tests of the whole path differ.
type pathConfig struct {
	url    string // of the store
	pipes  bool   // instead of loopback TCP, for a bubble
	faults smsc.Faults
	seed   uint64
	retry  sim.Retry
	sweep  time.Duration // of the engine
	think  time.Duration // of users without another behaviour
	sim    func(*sim.Config)
	smsc   func(*smsc.Config)
	smpp   func(*smpp.ClientConfig)
	spare  bool // a second SMSC in the same radio network, as standby
}

// path is everything between a party and a user except the party's wire: a service
// with its store, the SMSC, handsets, cards. The service can be stopped and started
// again while the rest goes on.
type path struct {
	t         testing.TB
	cfg       pathConfig
	authority *ca.Authority
	keys      *simcards.KeyRing
	listener  *pipes // nil: TCP
	smsc      *smsc.SMSC
	spare     *smsc.SMSC // nil: none
	airs      *pipes     // of the spare
	handsets  *handset.Network
	seen      *witness
	cards     map[string]secured // by MSISDN; complete before the first request

	mu    sync.Mutex
	node  *node         // nil: the service is down
	up    chan struct{} // closed when it is up
	calls int           // last AP_TransID
	gone  []sim.Stats   // of former nodes
}

// node is the service from one start to its stop.
type node struct {
	store   *store.Store
	ca      *ca.Issuer
	engine  *engine.Engine
	channel *sim.Channel
	smscs   *group.Group

	requests context.Context // of the callers
	hangUp   context.CancelCauseFunc
	calls    sync.WaitGroup
	stop     func() error
}

const (
	smscUser, smscPassword = "signum", "secret"
	serviceNumber          = "41790000500"
	homeNetwork            = "22801"
)

// errStopping is the error of calls whose node stops. Their transactions go on.
var errStopping = errors.New("the service stops")

// newPath starts everything. If there is a bubble, it must be called in it.
func newPath(t testing.TB, cfg pathConfig) *path {
	t.Helper()
	p := &path{t: t, cfg: cfg, cards: map[string]secured{}, up: make(chan struct{})}
	p.seen = newWitness(p)
	var err error
	if p.authority, err = ca.Create(ca.Config{Test: true, URL: "http://127.0.0.1:1"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if p.keys, err = simcards.NewKeyRing([]byte("the master key of the test cards")); err != nil {
		t.Fatal(err)
	}
	p.handsets = handset.New(handset.Config{Observe: p.seen.event, Delay: cfg.think})
	c := smsc.Config{
		Credentials: map[string]string{smscUser: smscPassword}, Radio: air{p.handsets}, Faults: cfg.faults, Seed: cfg.seed,
	}
	if cfg.pipes {
		p.listener = newPipes()
		c.Listener = p.listener
	}
	if cfg.smsc != nil {
		cfg.smsc(&c)
	}
	if p.smsc, err = smsc.New(c); err != nil {
		t.Fatal(err)
	}
	p.handsets.Connect(p.smsc.Submit)
	if cfg.spare {
		p.airs = newPipes()
		c.Listener = p.airs
		if p.spare, err = smsc.New(c); err != nil {
			t.Fatal(err)
		}
	}
	p.start()
	return p
}

// air is the radio network between the SMSC and the handsets.
type air struct{ *handset.Network }

func (a air) DeliverSM(ctx context.Context, msisdn string, tpdu []byte) ([]byte, error) {
	report, err := a.Network.DeliverSM(ctx, msisdn, tpdu)
	if errors.Is(err, person.ErrUnknown) {
		err = fmt.Errorf("%w: %w", smsc.ErrUnknown, err)
	}
	return report, err
}

// start starts a node and admits callers.
func (p *path) start() {
	p.t.Helper()
	n := new(node)
	if err := p.wire(n); err != nil {
		p.t.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	n.requests, n.hangUp = context.WithCancelCause(context.Background())
	ran := make(chan error, 2)
	go func() { ran <- n.engine.Run(life) }()
	go func() { ran <- n.smscs.Run(life) }()
	n.stop = func() error {
		n.hangUp(errStopping)
		n.calls.Wait()
		n.channel.Close()
		end()
		return errors.Join(<-ran, <-ran, n.store.Close())
	}
	p.mu.Lock()
	p.node = n
	close(p.up)
	p.mu.Unlock()
}

func (p *path) wire(n *node) (err error) {
	log := slog.New(slog.DiscardHandler)
	if n.store, err = store.Open(context.Background(), p.cfg.url, store.WithLogger(log)); err != nil {
		return err
	}
	if n.ca, err = ca.New(p.authority, n.store, ca.Options{URL: "http://127.0.0.1:1"}); err != nil {
		return err
	}
	parts := p.seen.assembler()
	cc := smpp.ClientConfig{
		Addr: p.smsc.Addr(), SystemID: smscUser, Password: smscPassword, Sessions: smpp.Sessions{Transceivers: 2}, Window: 100,
		Deliver: func(ctx context.Context, d *smpp.DeliverSM, e *event.Event) smpp.Status {
			st := n.channel.Deliver(ctx, "main", d, e)
			p.seen.delivered(parts, d, st)
			return st
		},
	}
	if p.listener != nil {
		cc.Addr, cc.Dial = "smsc:2775", p.listener.dial
	}
	if p.cfg.smpp != nil {
		p.cfg.smpp(&cc)
	}
	list := []group.SMSC{{Name: "main", Weight: 1, Client: cc}}
	if p.spare != nil {
		cc.Addr, cc.Dial = "spare:2775", p.airs.dial
		cc.Deliver = func(ctx context.Context, d *smpp.DeliverSM, e *event.Event) smpp.Status {
			return n.channel.Deliver(ctx, "spare", d, e)
		}
		list = append(list, group.SMSC{Name: "spare", Client: cc})
	}
	if n.smscs, err = group.New(list); err != nil {
		return err
	}
	sc := sim.Config{
		Store: n.store, Keys: p.keys, Send: n.smscs.Send, Settings: sim.Settings{Retry: p.cfg.retry}, Locator: p.handsets.Locate,
		ServiceAddress: smpp.Address{TON: 1, NPI: 1, Addr: serviceNumber},
	}
	if p.cfg.sim != nil {
		p.cfg.sim(&sc)
	}
	if n.channel, err = sim.New(sc); err != nil {
		return err
	}
	n.engine, err = engine.New(engine.Config{
		Store: n.store, Channels: map[signum.Method]mssp.Channel{signum.SIM: noted{n.channel, p.seen}}, Issuer: n.ca, NewSerial: ca.NewSerial, Texts: n.channel, ServiceName: "Signum",
		Chains: p.authority, MSSPURI: "mid://test", HomeNetwork: homeNetwork, Retention: 100 * time.Hour, Sweep: p.cfg.sweep,
	})
	n.channel.Connect(n.engine, n.engine)
	return err
}

// enter waits until the service is up. After it, leave must be called.
func (p *path) enter() *node {
	for {
		p.mu.Lock()
		n, up := p.node, p.up
		if n != nil {
			n.calls.Add(1)
			p.mu.Unlock()
			return n
		}
		p.mu.Unlock()
		<-up
	}
}

func (n *node) leave() { n.calls.Done() }

// down stops the service; start starts another node.
func (p *path) down() {
	p.t.Helper()
	p.mu.Lock()
	n := p.node
	p.node, p.up = nil, make(chan struct{})
	p.mu.Unlock()
	if err := n.stop(); err != nil {
		p.t.Error(err)
	}
	p.gone = append(p.gone, n.channel.Stats())
}

// close ends everything.
func (p *path) close() {
	p.t.Helper()
	p.down()
	p.smsc.Close()
	if p.spare != nil {
		p.spare.Close()
	}
	p.handsets.Close()
}

// transID is a new AP_TransID.
func (p *path) transID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	return fmt.Sprintf("T%06d", p.calls)
}

// user is a subscriber with a SIM in a handset.
type user struct {
	*mssp.Subscriber
	n           int
	keyType     signum.KeyType
	card        *card.Card
	channel     secured
	certificate atomic.Pointer[x509.CertPool] // verified up to the root before
}

func (u *user) device() string { return u.Devices[0].ID }

// userSpec says how a user differs from an ordinary one.
type userSpec struct {
	keyType   signum.KeyType // empty: EC
	algorithm string         // of the channel's keys; empty: AES
	keyLength int            // octets; 0: 16
	inactive  bool           // a SIM that was never activated
	config    func(*card.Config)
}

// addUser makes the n-th account. It must not be called concurrently.
func (p *path) addUser(n int, spec userSpec) *user {
	p.t.Helper()
	if spec.keyType == "" {
		spec.keyType = signum.EC
	}
	u := &user{n: n, keyType: spec.keyType, Subscriber: &mssp.Subscriber{
		MSISDN: fmt.Sprintf("+4179%07d", n), Serial: ca.NewSerial(), State: mssp.SubscriberActive,
		Devices: []mssp.Device{{
			ID: fmt.Sprintf("sim-%d", n), Method: signum.SIM, State: signum.DeviceRegistered, KeyType: spec.keyType,
			Network: signum.Network{MCC: "228", MNC: "01"},
		}},
	}}
	if err := p.issueCard(u, spec); err != nil {
		p.t.Fatal(err)
	}
	p.cards[u.MSISDN] = u.channel
	if err := p.handsets.Insert(u.device(), u.MSISDN, tapped{u.card, p.seen}); err != nil {
		p.t.Fatal(err)
	}
	if spec.inactive {
		return u
	}
	node := p.enter()
	defer node.leave()
	cert, err := node.ca.Issue(context.Background(), u.Serial, u.device(), u.card.PublicKey())
	if err == nil {
		err = node.store.ActivateDevice(context.Background(), &mssp.Activation{DeviceID: u.device(), KeyType: u.keyType, CertSerial: cert.Serial, At: time.Now()})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return u
}

// issueCard stores account and card, and makes the card.
func (p *path) issueCard(u *user, spec userSpec) error {
	iccid := fmt.Sprintf("89410%014d", u.n)
	keys := cardKeys(u.n, cmp.Or(spec.keyLength, 16))
	record := &mssp.Card{
		ICCID: iccid, DeviceID: u.device(), MSISDN: u.MSISDN, State: mssp.CardActive, KeySet: 1,
		Algorithm: cmp.Or(spec.algorithm, mssp.CardAES),
	}
	if err := p.keys.SetKeys(record, keys); err != nil {
		return err
	}
	u.channel = secured{keys, replyParams(record.Algorithm, len(keys.KIc))}
	node := p.enter()
	defer node.leave()
	if err := node.store.EnrolCard(context.Background(), u.Subscriber, record); err != nil {
		return err
	}
	c := card.Config{ICCID: iccid, Keys: keys, Algorithm: record.Algorithm, KeyType: u.keyType, Blank: spec.inactive}
	if u.keyType == signum.RSA && !spec.inactive {
		c.Store = &cardStore{card.NewMemory(), &card.State{Key: rsaKey(), PIN: card.DefaultPIN, TriesLeft: card.MaxTries}}
	}
	if spec.config != nil {
		spec.config(&c)
	}
	var err error
	u.card, err = card.New(c)
	return err
}

// cardKeys returns keys of a length whose halves or thirds all differ.
func cardKeys(n, length int) scp80.Keys {
	key := func(name string) (k []byte) {
		for i := byte('a'); len(k) < length; i++ {
			k = append(k, fmt.Sprintf("%s%c%4d", name, i, n)...)
		}
		return k[:length]
	}
	return scp80.Keys{KIc: key("KIc"), KID: key("KID")}
}

// rsaKey is the key of all RSA cards: making one takes a second.
var rsaKey = sync.OnceValue(func() []byte {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return der
})

// cardStore is a card memory with an initial state.
type cardStore struct {
	*card.Memory
	past *card.State
}

func (s *cardStore) LoadCard(iccid string) (*card.State, error) {
	st, err := s.Memory.LoadCard(iccid)
	if errors.Is(err, fs.ErrNotExist) {
		return s.past, nil
	}
	return st, err
}

// pipes is a listener for connections in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, errors.New("nobody listens")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
