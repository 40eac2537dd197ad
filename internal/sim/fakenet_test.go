package sim

import (
	"context"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// chances are the probabilities of what a network does to messages.
type chances struct {
	loss, duplicate float64
	delay           time.Duration // at most; random, so it reorders messages
}

// fakeNet is an SMSC with its radio network.
type fakeNet struct {
	mu       sync.Mutex
	rng      *mrand.Rand
	bad      chances
	throttle float64
	dead     bool    // nothing is bound
	next     []error // results of the next submissions; nil: taken
	sent     []*smpp.SubmitSM
	open     int
	most     int // the most submissions at a time
	took     time.Duration
	cards    map[string]*fakeCard
	texts    []*smpp.SubmitSM

	deliver func(*smpp.DeliverSM) smpp.Status
	swallow func(*smpp.DeliverSM) bool // reports whether a message gets lost
	status  []smpp.Status              // answers to deliveries
	number  int
}

func (n *fakeNet) submit(ctx context.Context, m *smpp.SubmitSM) (string, error) {
	n.mu.Lock()
	n.open++
	n.most = max(n.most, n.open)
	dead, took := n.dead, n.took
	var err error
	if len(n.next) > 0 {
		err, n.next = n.next[0], n.next[1:]
	}
	if n.rng != nil && n.rng.Float64() < n.throttle {
		err = smpp.StatusThrottled
	}
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		n.open--
		n.mu.Unlock()
	}()
	if dead {
		<-ctx.Done()
		return "", fmt.Errorf("%w: %w", smpp.ErrUnbound, ctx.Err())
	}
	if took > 0 {
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", smpp.ErrTimeout, ctx.Err())
		}
	}
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	n.number++
	id := fmt.Sprintf("m%d", n.number)
	n.sent = append(n.sent, m)
	card := n.cards["+"+m.Dest.Addr]
	if m.ESMClass&smpp.ModeMask != smpp.ModeTransaction {
		n.texts = append(n.texts, m)
		card = nil
	}
	n.mu.Unlock()
	if card != nil {
		n.carry(func() { card.receive(m) })
	}
	return id, nil
}

// carry delivers a message once, twice or never, now or later.
func (n *fakeNet) carry(arrive func()) {
	n.mu.Lock()
	copies := 1
	if n.rng != nil && n.rng.Float64() < n.bad.duplicate {
		copies = 2
	}
	if n.rng != nil && n.rng.Float64() < n.bad.loss {
		copies--
	}
	var delays []time.Duration
	for range copies {
		var d time.Duration
		if n.bad.delay > 0 {
			d = time.Duration(n.rng.Int64N(int64(n.bad.delay)))
		}
		delays = append(delays, d)
	}
	n.mu.Unlock()
	for _, d := range delays {
		if d == 0 {
			// In a bubble, under the race detector, timers of zero that are set by
			// two goroutines at once can crash the runtime (Go 1.26).
			go arrive()
			continue
		}
		time.AfterFunc(d, arrive)
	}
}

// originate sends a message from a phone. The SMSC delivers it until it is taken.
func (n *fakeNet) originate(from string, to smpp.Address, ud []byte) {
	d := &smpp.DeliverSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: from[1:]}, Dest: to,
		ESMClass: smpp.UDHI, DataCoding: 0x02, ShortMessage: ud, // some SMSCs send this
	}
	n.carry(func() { n.attempt(d, 10) })
}

func (n *fakeNet) attempt(d *smpp.DeliverSM, tries int) {
	n.mu.Lock()
	deliver := n.deliver
	gone := n.swallow != nil && n.swallow(d)
	n.mu.Unlock()
	if gone {
		return
	}
	st := deliver(d)
	n.mu.Lock()
	n.status = append(n.status, st)
	n.mu.Unlock()
	if st == smpp.StatusRxTempError && tries > 0 {
		time.AfterFunc(time.Second, func() { n.attempt(d, tries-1) })
	}
}

// postponed reports whether the service wanted a message to be delivered again.
func (n *fakeNet) postponed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.status, smpp.StatusRxTempError)
}

// isPart reports whether a message is a part of another, and which.
func isPart(d *smpp.DeliverSM) (sms.Concat, bool) {
	h, _, err := sms.ParseUserData(d.ShortMessage)
	if err != nil {
		return sms.Concat{}, false
	}
	c, ok, err := h.Concat()
	return c, ok && err == nil
}

func (n *fakeNet) fails(errs ...error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = errs
}

// peak is the most submissions that were under way at a time.
func (n *fakeNet) peak() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.most
}

// lastStatus is the answer to the last delivery.
func (n *fakeNet) lastStatus() smpp.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status[len(n.status)-1]
}

func (n *fakeNet) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sent)
}
