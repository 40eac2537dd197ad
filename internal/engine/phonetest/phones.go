package phonetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// answerTimeout bounds one call of AnswerHandler.Answer.
const answerTimeout = 10 * time.Second

// Config configures Phones. The zero value is usable.
type Config struct {
	Clock mssp.Clock // nil: the system's
	Keys  *Keys      // nil: new ones

	// Callbacks, each of which may be nil. They run before the user acts and must not
	// block.
	Shown     func(mssp.DeviceRequest) // a request is on the screen
	Activated func(deviceID string)    // a SIM has a new PIN and has proved its key
	Text      func(mssp.TextMessage)   // a text message arrived
}

// Phones are the devices of many users, and the channel to them. They are safe for
// concurrent use.
type Phones struct {
	c Config

	mu      sync.RWMutex
	handler mssp.AnswerHandler
	devices map[string]*Device // by ID
	users   map[string]*user   // by MSISDN
	closed  bool
	errs    []error

	answers sync.WaitGroup // that are being sent
}

// user holds what a test told a user to do. Guarded by the lock of Phones.
type user struct {
	does  Action
	place func(now time.Time) *mssp.Location
}

var (
	_ mssp.Channel    = (*Phones)(nil)
	_ mssp.TextSender = (*Phones)(nil)
)

// New returns Phones without devices.
func New(c Config) *Phones {
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Keys == nil {
		c.Keys = new(Keys)
	}
	return &Phones{c: c, devices: make(map[string]*Device), users: make(map[string]*user)}
}

// Connect sets the handler of answers. It must be called before the first Send.
func (p *Phones) Connect(h mssp.AnswerHandler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler = h
}

// Add gives a user a device. A new user approves what arrives, and is in
// Switzerland. The ID must be new.
func (p *Phones) Add(s Spec) (*Device, error) {
	d, err := newDevice(s, &p.c)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.devices[s.ID] != nil {
		return nil, fmt.Errorf("device %q exists", s.ID)
	}
	p.devices[s.ID] = d
	if p.users[s.MSISDN] == nil {
		p.users[s.MSISDN] = &user{place: switzerland}
	}
	return d, nil
}

func switzerland(now time.Time) *mssp.Location {
	return &mssp.Location{Country: "CH", DeviceConfidence: 1, LocationConfidence: 1, Measured: now}
}

// Device finds a device by its ID.
func (p *Phones) Device(id string) (*Device, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	d := p.devices[id]
	if d == nil {
		return nil, fmt.Errorf("there is no device %q", id)
	}
	return d, nil
}

// Behave sets what a user does with the requests that arrive from now on.
func (p *Phones) Behave(msisdn string, do Action) error {
	return p.tell(msisdn, func(u *user) { u.does = do })
}

// Place sets where a user is from now on. Nil means that the device does not tell.
func (p *Phones) Place(msisdn string, l *mssp.Location) error {
	return p.tell(msisdn, func(u *user) { u.place = func(time.Time) *mssp.Location { return l } })
}

func (p *Phones) tell(msisdn string, f func(*user)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[msisdn]
	if u == nil {
		return fmt.Errorf("there is no user %s", signum.MaskMSISDN(msisdn))
	}
	f(u)
	return nil
}

// Send implements mssp.Channel. The error wraps mssp.ErrUnreachable if there is no
// such device, if the user is Unreachable, and after Close.
func (p *Phones) Send(ctx context.Context, r mssp.DeviceRequest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, do, err := p.route(&r)
	if err != nil {
		return fmt.Errorf("%w: %w", mssp.ErrUnreachable, err)
	}
	p.attend(d, do, d.receive(r, do))
	return nil
}

func (p *Phones) route(r *mssp.DeviceRequest) (*Device, Action, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	d := p.devices[r.DeviceID]
	switch {
	case p.closed:
		return nil, 0, errors.New("the phones are switched off")
	case p.handler == nil:
		return nil, 0, errors.New("the phones are not connected")
	case d == nil || d.spec.MSISDN != r.MSISDN || d.spec.Method != r.Method:
		return nil, 0, fmt.Errorf("%s has no %s %q", signum.MaskMSISDN(r.MSISDN), r.Method, r.DeviceID)
	}
	do := p.users[r.MSISDN].does
	if do == Unreachable {
		return nil, 0, fmt.Errorf("device %q is out of reach", r.DeviceID)
	}
	return d, do, nil
}

// attend sends an answer that needs no user, or lets the user act on what is now shown.
func (p *Phones) attend(d *Device, do Action, got reception) {
	if got.answer != nil {
		p.start(func() { p.answer(*got.answer) })
	}
	if got.shown == nil {
		return
	}
	if p.c.Shown != nil {
		p.c.Shown(*got.shown)
	}
	if do == Silent {
		return
	}
	p.start(func() {
		if a, err := p.act(d, got.shown.TransID, do); err == nil { // otherwise it has been withdrawn
			p.answer(a)
		}
	})
}

// Act lets a user act on the request of a transaction that is shown, and sends the answer.
// The error is ErrNotShown if the screen does not show the transaction.
func (p *Phones) Act(deviceID, transID string, do Action) error {
	d, err := p.Device(deviceID)
	if err != nil {
		return err
	}
	a, err := p.act(d, transID, do)
	if err == nil {
		p.start(func() { p.answer(a) })
	}
	return err
}

func (p *Phones) act(d *Device, transID string, do Action) (mssp.DeviceAnswer, error) {
	p.mu.RLock()
	place := p.users[d.spec.MSISDN].place
	p.mu.RUnlock()
	a, err := d.act(transID, do, place)
	if err == nil && a.PublicKey != nil && p.c.Activated != nil {
		p.c.Activated(d.spec.ID)
	}
	return a, err
}

// Open opens the AuthUri of a request, as the party's app does. The request is then shown, and
// the user acts as if it had just arrived.
func (p *Phones) Open(authURI string) (redirectURI string, err error) {
	u, err := url.Parse(authURI)
	if err != nil {
		return "", errors.New("the AuthUri cannot be parsed")
	}
	token := u.Query().Get("session_token")
	p.mu.RLock()
	var d *Device
	var got reception
	var do Action
	for _, candidate := range p.devices {
		if got = candidate.open(token); got.shown != nil {
			d, do = candidate, p.users[candidate.spec.MSISDN].does
			break
		}
	}
	p.mu.RUnlock()
	if d == nil {
		return "", errors.New("no request waits for this AuthUri")
	}
	p.attend(d, do, got)
	return got.shown.App2App.RedirectURI, nil
}

// Cancel implements mssp.Channel.
func (p *Phones) Cancel(_ context.Context, w mssp.Withdrawal) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for id, d := range p.devices {
		if d.spec.MSISDN == w.MSISDN && (id == w.DeviceID || d.spec.Method == signum.App) {
			d.withdraw(w.TransID, id == w.AnsweredBy)
		}
	}
}

// SendText implements mssp.TextSender. Every number accepts a text, unless its user is
// Unreachable; the error then wraps mssp.ErrUnreachable.
func (p *Phones) SendText(ctx context.Context, m mssp.TextMessage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.RLock()
	u := p.users[m.MSISDN]
	unreachable := p.closed || u != nil && u.does == Unreachable
	p.mu.RUnlock()
	if unreachable {
		return fmt.Errorf("%s is out of reach: %w", signum.MaskMSISDN(m.MSISDN), mssp.ErrUnreachable)
	}
	if p.c.Text != nil {
		p.c.Text(m)
	}
	return nil
}

// start runs f in the background, unless the phones are switched off.
func (p *Phones) start(f func()) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !p.closed {
		p.answers.Go(f)
	}
}

// answer hands an answer to the handler once. A real channel would repeat it after an error;
// here Close reports the error.
func (p *Phones) answer(a mssp.DeviceAnswer) {
	p.mu.RLock()
	h := p.handler
	p.mu.RUnlock()
	ctx, cancel := context.WithTimeoutCause(context.Background(), answerTimeout,
		fmt.Errorf("answer of a phone not accepted after %s", answerTimeout))
	defer cancel()
	if err := h.Answer(ctx, a); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.errs = append(p.errs, fmt.Errorf("answer of device %q to %s: %w", a.DeviceID, a.TransID, err))
	}
}

// Close switches the phones off and waits for the answers that are being sent, each for up to
// 10 s. The error reports all answers that the handler refused.
func (p *Phones) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.answers.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.errs...)
}
