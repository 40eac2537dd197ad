package world

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/control"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/script"
	"github.com/signum-mssp/signum/internal/mssp"
)

// requestKey names a request to a phone.
type requestKey struct {
	transID string
	op      mssp.DeviceOp
}

// request is one that is on its way to a phone, or on its screen.
type request struct {
	mssp.DeviceRequest
	act     *script.Act // of the script; nil: what the user usually does
	shown   *person.Event
	held    bool // until somebody acts by Act
	awaited bool // an await has returned it
}

func (r *request) key() requestKey { return requestKey{r.TransID, r.Op} }

// requests are those that phones have now, and the scripts that say what becomes of them. They
// stand between the engine and the phones of both kinds.
type requests struct {
	log    *slog.Logger
	delay  time.Duration // of a user without a delay of their own
	script script.Queue  // of the world
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	plays   map[string]person.Behaviour // by MSISDN: what an App cannot express
	scripts map[string]*script.Queue    // by MSISDN
	live    map[requestKey]*request
	onCard  map[requestKey]*request // by the name that a card knows
	waiters map[string][]chan *request
}

func newRequests(delay time.Duration, log *slog.Logger) *requests {
	q := &requests{delay: delay, log: log}
	q.ctx, q.stop = context.WithCancel(context.Background())
	return q
}

func (q *requests) close() {
	q.stop()
	q.work.Wait()
}

// forget drops what a number without an account was to do.
func (q *requests) forget(msisdn string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.plays, msisdn)
	delete(q.scripts, msisdn)
}

func (q *requests) set(msisdn string, b person.Behaviour) {
	q.mu.Lock()
	defer q.mu.Unlock()
	put(&q.plays, msisdn, b)
}

// put puts a value into a map, which it makes if there is none.
func put[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[key] = value
}

// clear drops all scripts.
func (q *requests) clear() {
	_ = q.script.Set(nil)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.scripts = nil
}

// scriptOf returns the script of a number. It makes one if there is none.
func (q *requests) scriptOf(msisdn string) *script.Queue {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.scripts[msisdn]
	if s == nil {
		s = new(script.Queue)
		put(&q.scripts, msisdn, s)
	}
	return s
}

// arrive registers a request, unless it came before: a channel may get it again, and of several
// Apps each gets it. The script decides once.
func (q *requests) arrive(r *mssp.DeviceRequest, profile func() string) *request {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := requestKey{r.TransID, r.Op}
	if known := q.live[key]; known != nil {
		return known
	}
	q.sweep()
	n := &request{DeviceRequest: *r}
	ask := &script.Request{Operation: script.OperationOf(r.Op), Method: r.Method, APID: r.APID, Profile: profile, Text: r.Text}
	own, ok := script.Act{}, false
	if s := q.scripts[r.MSISDN]; s != nil {
		own, ok = s.Take(ask)
	}
	if !ok {
		own, ok = q.script.Take(ask)
	}
	if ok {
		n.act = &own
	}
	put(&q.live, key, n)
	if r.Method == signum.SIM {
		put(&q.onCard, requestKey{card.AskedAs(r.TransID), r.Op}, n)
	}
	return n
}

// Requests of which no end was heard, such as receipts that a test ended, are forgotten a
// while after their time.
const (
	sweepAbove = 64
	sweepAfter = time.Minute
)

// sweep forgets such requests, if there are many. The lock must be held.
func (q *requests) sweep() {
	if len(q.live) < sweepAbove {
		return
	}
	for key, r := range q.live {
		if time.Since(r.Expires) > sweepAfter {
			delete(q.live, key)
			delete(q.onCard, requestKey{card.AskedAs(key.transID), key.op})
		}
	}
}

// drop forgets a request that has ended.
func (q *requests) drop(key requestKey) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.live, key)
	delete(q.onCard, requestKey{card.AskedAs(key.transID), key.op})
}

// find returns a request by what a phone calls it. The lock must be held.
func (q *requests) find(name requestKey) *request {
	if r := q.live[name]; r != nil {
		return r
	}
	return q.onCard[name]
}

// decide implements person.Decider.
func (q *requests) decide(msisdn, transID string, op mssp.DeviceOp) (person.Behaviour, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.find(requestKey{transID, op})
	switch {
	case r == nil:
		return person.Behaviour{}, false
	case r.held || len(q.waiters[msisdn]) > 0:
		r.held = true
		return person.Behaviour{Do: person.Hold}, true
	case r.act == nil:
		return person.Behaviour{}, false
	}
	b, err := r.act.Behaviour()
	if err != nil { // it was checked
		q.log.Error("act of a script", "err", err)
		return person.Behaviour{}, false
	}
	if _, plays := played[b.Do]; plays {
		// The channel answers. An App may learn of the request from its inbox and must not
		// decline it first.
		b.Do = person.Silent
	}
	return b, true
}

// see hears what happens on phones.
func (q *requests) see(e person.Event) {
	if e.Kind != person.Shown {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.find(requestKey{e.TransID, e.Op})
	if r == nil || r.shown != nil {
		return
	}
	r.shown = &e
	if list := q.waiters[e.MSISDN]; len(list) > 0 && r.held {
		r.awaited = true
		list[0] <- r // it has room for one
		q.leave(e.MSISDN, list[0])
	}
}

// leave takes a waiter off the list. The lock must be held.
func (q *requests) leave(msisdn string, w chan *request) {
	q.waiters[msisdn] = slices.DeleteFunc(q.waiters[msisdn], func(o chan *request) bool { return o == w })
	if len(q.waiters[msisdn]) == 0 {
		delete(q.waiters, msisdn)
	}
}

// waiting returns the oldest request on the screen of a number that no await has returned, or
// registers a waiter for the next one.
func (q *requests) waiting(msisdn string) (*request, chan *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.sorted() {
		if r.MSISDN == msisdn && r.shown != nil && !r.awaited {
			r.awaited, r.held = true, true
			return r, nil
		}
	}
	w := make(chan *request, 1)
	put(&q.waiters, msisdn, append(q.waiters[msisdn], w))
	return nil, w
}

// sorted returns the requests, oldest first. The lock must be held.
func (q *requests) sorted() []*request {
	list := make([]*request, 0, len(q.live))
	for _, r := range q.live {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *request) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.TransID, b.TransID), cmp.Compare(a.Op, b.Op))
	})
	return list
}

// ErrNoRequest means that no phone has such a request now.
var ErrNoRequest = errors.New("no phone has this request now: it was answered, has expired, or never came")

// ErrNothingCame means that no request came to the phones of a number in time.
var ErrNothingCame = errors.New("no request came to the phone")

// Await returns the next request to the phones of a number as they show it, and holds it: the
// user does nothing until Act says what. A request that is on the screen already counts, unless
// an Await has returned it. The error is ErrNothingCame when ctx ends.
func (w *World) Await(ctx context.Context, msisdn string) (*control.PhoneRequest, error) {
	if err := w.ensure(msisdn); err != nil {
		return nil, err
	}
	for {
		r, next := w.requests.waiting(msisdn)
		if r == nil {
			select {
			case r = <-next:
				return w.describe(ctx, r), nil
			case <-ctx.Done():
				return w.gaveUp(ctx, msisdn, next)
			}
		}
		err := w.play(r, person.Behaviour{Do: person.Hold})
		switch {
		case err == nil:
			return w.describe(ctx, r), nil
		case !errors.Is(err, person.ErrNotShown) && !errors.Is(err, person.ErrUnknown):
			return nil, err
		}
		w.requests.drop(r.key()) // the user was faster
	}
}

// gaveUp ends a wait. A request that was held for it in the last moment is returned.
func (w *World) gaveUp(ctx context.Context, msisdn string, next chan *request) (*control.PhoneRequest, error) {
	q := w.requests
	q.mu.Lock()
	q.leave(msisdn, next)
	q.mu.Unlock()
	select {
	case r := <-next:
		return w.describe(ctx, r), nil
	default:
	}
	return nil, fmt.Errorf("%s: %w: %w", msisdn, ErrNothingCame, context.Cause(ctx))
}

// PhoneRequests returns the requests that phones have now, oldest first.
func (w *World) PhoneRequests(ctx context.Context) []control.PhoneRequest {
	q := w.requests
	q.mu.Lock()
	list := q.sorted()
	q.mu.Unlock()
	out := []control.PhoneRequest{}
	for _, r := range list {
		out = append(out, *w.describe(ctx, r))
	}
	return out
}

// Act lets the user of a phone do something with a request that it shows. An empty act is what
// the user usually does. The error is ErrNoRequest if no phone has the request.
func (w *World) Act(id string, a script.Act) error {
	b, usual := person.Behaviour{}, a.Do == ""
	if !usual {
		if err := a.Check(); err != nil {
			return err
		}
		if !slices.Contains(control.Acts, a.Do) {
			return fmt.Errorf("a request on the screen can get %s; %s has to be in a script before the request comes", strings.Join(control.Acts, ", "), a.Do)
		}
		var err error
		if b, err = a.Behaviour(); err != nil {
			return err
		}
	}
	q := w.requests
	q.mu.Lock()
	r := q.named(id)
	if r != nil {
		r.held = !b.Acts() && !usual
	}
	q.mu.Unlock()
	if r == nil {
		return fmt.Errorf("%s: %w", id, ErrNoRequest)
	}
	if usual {
		b = w.usually(r)
	}
	if a.Location != "" {
		at, err := person.ParsePlace(a.Location)
		if err == nil {
			err = w.place(r.MSISDN, at)
		}
		if err != nil {
			return err
		}
	}
	err := w.play(r, b)
	if errors.Is(err, person.ErrNotShown) || errors.Is(err, person.ErrUnknown) {
		return fmt.Errorf("%s: %w", id, ErrNoRequest)
	}
	return err
}

// named returns a request by the id of describe. The lock must be held.
func (q *requests) named(id string) *request {
	for _, op := range []mssp.DeviceOp{mssp.OpSign, mssp.OpActivate, mssp.OpDisplay} {
		if r := q.live[requestKey{strings.TrimSuffix(id, suffixOf(op)), op}]; r != nil && idOf(r) == id {
			return r
		}
	}
	return nil
}

// suffixOf is what follows MSSP_TransID in the id of a request that is no signature.
func suffixOf(op mssp.DeviceOp) string {
	if op == mssp.OpSign {
		return ""
	}
	return "." + script.OperationOf(op)
}

func idOf(r *request) string { return r.TransID + suffixOf(r.Op) }

// play makes the user act.
func (w *World) play(r *request, b person.Behaviour) error {
	if r.Method == signum.SIM {
		return w.Handsets.Act(r.MSISDN, card.AskedAs(r.TransID), r.Op, b)
	}
	q := w.requests
	q.mu.Lock()
	device := r.DeviceID
	if r.shown != nil {
		device = r.shown.DeviceID
	}
	q.mu.Unlock()
	return w.SoftApps.Act(device, r.TransID, r.Op, b)
}

// usually is what the user of a request does with others.
func (w *World) usually(r *request) person.Behaviour {
	b, err := w.Handsets.Usually(r.MSISDN)
	if r.Method == signum.App {
		b, err = w.SoftApps.Usually(r.MSISDN)
	}
	if err != nil {
		return person.Behaviour{}
	}
	return b
}

// describe is a request as a test sees it.
func (w *World) describe(ctx context.Context, r *request) *control.PhoneRequest {
	q, profile := w.requests, w.profileOf(ctx, r.TransID)
	q.mu.Lock()
	defer q.mu.Unlock()
	out := &control.PhoneRequest{
		ID: idOf(r), MSISDN: r.MSISDN, Operation: script.OperationOf(r.Op), Method: r.Method, APID: r.APID, TransID: r.TransID, Profile: profile,
		Party: r.Party.Name, Lang: r.Lang, MimeType: r.MimeType, Text: r.Text, Choices: r.Choices, Locate: r.Locate,
		Created: r.Created.UTC(), Expires: r.Expires.UTC(), Shown: r.shown != nil, Held: r.held,
	}
	if r.shown != nil {
		out.Party, out.Text = r.shown.Party, cmp.Or(r.shown.Text, r.Text)
	}
	if t, err := signum.ParseTxnApproval(r.Text); err == nil && r.MimeType == signum.MimeTxnApproval {
		out.Title = t.Type
		for _, row := range t.Rows {
			out.Rows = append(out.Rows, control.Row{Key: row.Key, Value: row.Value})
		}
	}
	return out
}

// Awaited reports whether an Await waits for a request to a number.
func (w *World) Awaited(msisdn string) bool {
	w.requests.mu.Lock()
	defer w.requests.mu.Unlock()
	return len(w.requests.waiters[msisdn]) > 0
}
