package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// crowd is many users to whom parties send requests, all at the same time and
// each user's one after the other.
type crowd struct {
	p     *path
	t     *testing.T
	seed  uint64
	tempo tempo

	mu       sync.Mutex
	calls    []*deed
	texts    map[string]*deed // one-time passwords
	receipts []*receipted
}

// tempo is how long things take: at most, except for quiet and poll.
type tempo struct {
	think, gap, away time.Duration
	poll             time.Duration
	quiet            time.Duration // after this, no message of an old request is under way
	rest             time.Duration // after this, nothing is left: longer than any request
	slow             string        // TimeOut of requests to SIMs that are activated by them
	fast             string        // TimeOut of all others
	silent           float64       // the share of users who never react
}

// deed is a call and what its user was told to do.
type deed struct {
	*call
	does    person.Behaviour
	returns bool     // does is Unreachable for a while; then the user approves
	second  *call    // made while the first was outstanding: 406
	way     []string // the exchanges, if an approval was lost
}

// receipted is a receipt and what the party was told about it; nil: nothing.
type receipted struct {
	of   *deed
	text string
	told *signum.ReceiptResponseExtension
}

// run makes a number of calls to every user.
func (c *crowd) run(users []*user, calls int) {
	c.texts = map[string]*deed{}
	var all sync.WaitGroup
	for _, u := range users {
		l := &life{crowd: c, u: u, rng: rand.New(rand.NewPCG(c.seed, uint64(u.n)))}
		all.Go(func() {
			if err := l.live(calls); err != nil {
				c.t.Errorf("seed %d, user %d: %v", c.seed, u.n, err)
			}
		})
	}
	all.Wait()
}

// life is one user and the requests to them.
type life struct {
	*crowd
	u      *user
	rng    *rand.Rand
	does   person.Behaviour
	streak int
	dozing bool // the SIM may be without an active key
}

func (l *life) upTo(d time.Duration) time.Duration {
	return time.Duration(l.rng.Float64() * float64(d))
}

func (l *life) live(calls int) error {
	l.dozing = len(l.u.Devices) > 0 && l.u.card.PublicKey() == nil
	for n := range calls {
		time.Sleep(l.upTo(l.tempo.gap))
		if l.streak == 0 {
			if err := l.turn(); err != nil {
				return err
			}
		}
		l.streak--
		if err := l.once(n); err != nil {
			return fmt.Errorf("call %d (%s): %w", n, l.does, err)
		}
	}
	return l.p.handsets.Behave(l.u.MSISDN, person.Behaviour{}) // reachable, for messages that are still under way
}

// turn gives the user another behaviour when the last request is over.
func (l *life) turn() error {
	if err := l.settle(); err != nil {
		return err
	}
	if err := l.unblock(); err != nil {
		return err
	}
	l.streak = 1 + l.rng.IntN(4)
	if l.does = l.behaviour(); l.does.Do == person.Silent {
		l.streak = 1 // it takes longer
	}
	return l.p.handsets.Behave(l.u.MSISDN, l.does)
}

// settle waits until the screen is empty and no late copy of a request can bring
// anything to it.
func (l *life) settle() error {
	for {
		time.Sleep(l.tempo.quiet)
		d, err := l.p.handsets.Dialogue(l.u.MSISDN)
		if err != nil || d.Kind == handset.Idle || d.Kind == handset.FlashText {
			return err
		}
	}
}

// unblock is the PUK, and the service desk.
func (l *life) unblock() error {
	if l.does.Do != person.WrongPIN && l.does.Do != person.Blocked {
		return nil
	}
	l.u.card.Unblock()
	n := l.p.enter()
	defer n.leave()
	return n.store.SetPINBlocked(context.Background(), l.u.device(), false)
}

func (l *life) behaviour() person.Behaviour {
	after := l.upTo(l.tempo.think)
	x := l.rng.Float64()
	for _, o := range []struct {
		p  float64
		do person.Action
	}{
		{l.tempo.silent, person.Silent}, {0.12, person.Cancel}, {0.07, person.WrongPIN}, {0.06, person.Unreachable},
		{0.03, person.Blocked}, {0.03, person.NoKey}, {0.03, person.BadSignature},
	} {
		if x -= o.p; x < 0 {
			return person.Behaviour{Do: o.do, After: after}
		}
	}
	return person.Delayed(after)
}

// once makes one call, and what may come with it.
func (l *life) once(n int) error {
	x := l.rng.Float64()
	switch {
	case x < 0.05:
		return l.password()
	case x < 0.07 && l.does.Do == person.Approve:
		node := l.p.enter()
		err := node.store.EndDevice(context.Background(), l.u.device(), mssp.EndedByUser, time.Now())
		if err == nil { // and the owner wants it back, with the same serial
			err = node.store.ReopenDevice(context.Background(), l.u.device())
		}
		if err == nil {
			err = node.store.PutConsent(context.Background(), &mssp.Consent{MSISDN: l.u.MSISDN, Kind: mssp.ConsentActivate,
				Subject: l.u.device(), Given: time.Now(), Expires: time.Now().Add(mssp.ConsentFor)})
		}
		node.leave()
		if err != nil {
			return err
		}
		l.dozing = true
	}
	d := &deed{does: l.does, call: &call{
		u: l.u, ap: l.rng.IntN(len(parties)), async: l.rng.IntN(3) == 0, profile: signum.ProfileAnyLoA4, timeout: l.tempo.fast,
		text: fmt.Sprintf("Bank: %s %d-%d?", texts[l.rng.IntN(len(texts))], l.u.n, n), locate: l.rng.IntN(20) == 0,
	}}
	if l.dozing {
		d.timeout = l.tempo.slow
	}
	var back sync.WaitGroup
	if d.does.Do == person.Unreachable {
		if err := l.vanish(&back); err != nil {
			return err
		}
		d.returns = true
	}
	var err error
	if d.async && l.rng.IntN(8) == 0 {
		err = l.twice(d)
	} else {
		err = l.p.sign(d.call, l.tempo.poll)
	}
	if d.does.Do == person.Approve && d.told != signum.SignatureMade {
		d.way = l.p.trace(d.call)
	}
	back.Wait()
	c := l.crowd
	c.mu.Lock()
	c.calls = append(c.calls, d)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if d.told == 0 || d.second != nil && d.second.told == 0 {
		return l.outlast()
	}
	if d.told == signum.SignatureMade {
		l.dozing = false
		if l.rng.IntN(10) == 0 {
			return l.receipt(d)
		}
	}
	return nil
}

var texts = []string{
	"Login", "Pay CHF 25.–", "Überweisen: 100 € [Miete]", "Заплатить", "Transfer of EUR 1000.00 to the account of somebody whom nobody knows, today",
}

// vanish makes the user unreachable for a while.
func (l *life) vanish(back *sync.WaitGroup) error {
	if err := l.p.handsets.Behave(l.u.MSISDN, l.does); err != nil {
		return err
	}
	away, after := l.upTo(l.tempo.away), l.does.After
	back.Go(func() {
		time.Sleep(away)
		_ = l.p.handsets.Behave(l.u.MSISDN, person.Delayed(after)) // the handset is there
	})
	return nil
}

// outlast waits until nothing is outstanding for which the party got no answer.
func (l *life) outlast() error {
	for {
		time.Sleep(l.tempo.quiet)
		n := l.p.enter()
		ts, _, err := n.store.DevicePending(context.Background(), l.u.device(), time.Now())
		n.leave()
		if err != nil || len(ts) == 0 {
			return err
		}
	}
}

// twice is an asynchronous call, and another one while it is outstanding.
func (l *life) twice(d *deed) error {
	second := *d.call
	var err error
	var first sync.WaitGroup
	first.Go(func() { err = l.p.sign(d.call, l.tempo.poll) })
	time.Sleep(l.upTo(l.tempo.poll))
	second.ap, second.async = l.rng.IntN(len(parties)), true
	d.second = &second
	serr := l.p.sign(&second, l.tempo.poll)
	first.Wait()
	if err == nil {
		err = serr
	}
	return err
}

// password is a one-time password.
func (l *life) password() error {
	d := &deed{does: l.does, call: &call{
		u: l.u, ap: l.rng.IntN(len(parties)), async: l.rng.IntN(2) == 0, profile: signum.ProfileOTPText, timeout: l.tempo.fast,
	}}
	if l.rng.IntN(2) == 0 {
		d.profile = signum.ProfileOTPFlash
	}
	d.text = fmt.Sprintf("Bank: your code is %s", l.p.transID())
	if l.rng.IntN(3) == 0 {
		d.text += " – für die Überweisung, die Sie an 14 Empfänger in 3 Ländern in Auftrag gegeben haben" // two parts
	}
	err := l.p.sign(d.call, l.tempo.poll)
	c := l.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, d)
	c.texts[l.u.MSISDN+" "+d.text] = d
	return err
}

func (l *life) receipt(d *deed) error {
	r := &receipted{of: d, text: "Bank: done " + d.transID}
	resp, err := l.p.receipt(d.call, r.text)
	switch {
	case err == nil:
		r.told = resp.Extension
	case err == errStopping:
	case signum.AsFault(err) != nil && signum.AsFault(err).Code == signum.PINBlocked: // because of a late answer
	default:
		return fmt.Errorf("receipt: %w", err)
	}
	c := l.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receipts = append(c.receipts, r)
	return nil
}
