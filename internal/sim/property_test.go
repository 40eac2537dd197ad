package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// scenario is drawn by rapid.
type scenario struct {
	Seed     uint64
	Net      chances
	Throttle float64 // of submissions
	Restarts []time.Duration
	Broken   []time.Duration // when the store fails, for two seconds each
	Reject   int             // answers that the engine does not take the first time
	Two      bool            // nodes; a restart ends one of them
	Cards    []cardScript
}

type cardScript struct {
	Op     mssp.DeviceOp
	RSA    bool
	Start  time.Duration
	Think  time.Duration
	Result applet.Result
	Proofs []scp80.Status
	Bare   bool
	Silent bool
}

func seconds(t *rapid.T, most int, label string) time.Duration {
	return time.Duration(rapid.IntRange(0, most*1000).Draw(t, label)) * time.Millisecond
}

func chance(t *rapid.T, most int, label string) float64 {
	return float64(rapid.IntRange(0, most).Draw(t, label)) / 100
}

func drawScenario(t *rapid.T) scenario {
	s := scenario{
		Seed:     rapid.Uint64().Draw(t, "seed"),
		Net:      chances{loss: chance(t, 30, "loss"), duplicate: chance(t, 50, "duplicate"), delay: seconds(t, 10, "delay")},
		Throttle: chance(t, 30, "throttle"),
		Reject:   rapid.IntRange(0, 20).Draw(t, "rejected answers"),
		Two:      rapid.Bool().Draw(t, "two nodes"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "restarts") {
		s.Restarts = append(s.Restarts, seconds(t, 80, "restart"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "broken") {
		s.Broken = append(s.Broken, seconds(t, 80, "broken at"))
	}
	for range rapid.IntRange(1, 60).Draw(t, "cards") {
		c := cardScript{
			Op:     rapid.SampledFrom([]mssp.DeviceOp{mssp.OpSign, mssp.OpSign, mssp.OpSign, mssp.OpActivate, mssp.OpDisplay}).Draw(t, "op"),
			RSA:    rapid.IntRange(0, 9).Draw(t, "rsa") == 0,
			Start:  seconds(t, 20, "start"),
			Think:  seconds(t, 40, "think"),
			Result: rapid.SampledFrom([]applet.Result{0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 6, 7}).Draw(t, "result"),
			Bare:   rapid.Bool().Draw(t, "bare"),
			Silent: rapid.IntRange(0, 9).Draw(t, "silent") == 0,
		}
		for range rapid.IntRange(0, 2).Draw(t, "proofs") {
			c.Proofs = append(c.Proofs, rapid.SampledFrom([]scp80.Status{0, 1, 2, 6, 8}).Draw(t, "proof"))
		}
		s.Cards = append(s.Cards, c)
	}
	return s
}

// outcomes counts over all scenarios.
type outcomes struct{ requests, signed, said, unreached, none int }

// Whatever the network does, and whenever the service restarts or its store fails,
// each request has at most one answer, the card's; each user is asked once; nothing is
// left in memory.
func TestProperty(t *testing.T) {
	var total outcomes
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt)
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = play(t, s, &total) })
		if len(wrong) > 0 {
			rt.Fatalf("%q", wrong)
		}
	})
	t.Logf("%+v", total)
	if total.requests > 1000 && (total.signed+total.said)*10 < total.requests*9 {
		t.Errorf("too few answers: %+v", total)
	}
}

// play runs a scenario and returns what was wrong.
func play(t *testing.T, s scenario, total *outcomes) (wrong []string) {
	w := newWorld(t)
	defer func() { w.ch.Close() }()
	ask, crash, left := w.retryAsk, w.crash, func() []*Channel { return []*Channel{w.ch} }
	if s.Two {
		p := w.pair(s.Seed)
		defer p.close()
		p.deaf = s.Seed%3 == 0
		ask = func(r mssp.DeviceRequest) { p.ask(r, p.any()) }
		crash = func() { p.crash(s.Seed%2 == 0) }
		left = func() []*Channel { return []*Channel{p.nodes[0].ch, p.nodes[1].ch} }
	}
	w.net.rng, w.net.bad = seeded(s.Seed), s.Net
	w.engine.failing(s.Reject, errStore)
	w.net.throttle = s.Throttle
	type asked struct {
		*fakeCard
		script cardScript
		r      mssp.DeviceRequest
	}
	var all []*asked
	var sends sync.WaitGroup
	for i, script := range s.Cards {
		a := &asked{fakeCard: w.card(ecKey), script: script}
		if script.RSA {
			a.key = rsaKey
		}
		a.think, a.proofs, a.bare, a.silent = script.Think, script.Proofs, script.Bare, script.Silent
		a.result = func(*applet.Request) applet.Result { return script.Result }
		all = append(all, a)
		sends.Go(func() {
			time.Sleep(script.Start)
			a.r = w.request(a.fakeCard, script.Op, fmt.Sprintf("_%d", i), text)
			ask(a.r)
		})
	}
	for _, at := range s.Broken {
		time.AfterFunc(max(at, 1), func() { w.store.setFail(errStore) })
		time.AfterFunc(at+2*time.Second, func() { w.store.setFail(nil) })
	}
	for _, at := range s.Restarts {
		time.AfterFunc(max(at, 1), crash)
	}
	sends.Wait()
	pass(5 * time.Minute)

	answers := map[string]mssp.DeviceAnswer{}
	for _, a := range w.engine.answers() {
		if _, twice := answers[a.TransID]; twice {
			wrong = append(wrong, "two answers to "+a.TransID)
		}
		answers[a.TransID] = a
	}
	for _, c := range all {
		a, ok := answers[c.r.TransID]
		total.requests++
		switch {
		case !ok:
			total.none++
		case a.Fault != nil && a.Fault.Code == signum.OTAError:
			total.unreached++
		case a.Fault != nil || a.Receipt != "":
			total.said++
		default:
			total.signed++
		}
		prompts := 1
		if c.script.Op == mssp.OpActivate {
			prompts = 2
		}
		if c.asked() > prompts {
			wrong = append(wrong, fmt.Sprintf("%s: asked %d times", c.r.TransID, c.asked()))
		}
		if why := check(c.fakeCard, c.script, c.r, a, ok, len(s.Broken) > 0); why != "" {
			wrong = append(wrong, c.r.TransID+": "+why)
		}
	}
	for _, ch := range left() {
		if st := ch.Stats(); st.Pending+st.Queued+st.Reassembling > 0 {
			wrong = append(wrong, fmt.Sprintf("left in memory: %+v", st))
		}
	}
	return wrong
}

// check returns what is wrong with an answer; broken: the store failed at times.
func check(f *fakeCard, s cardScript, r mssp.DeviceRequest, a mssp.DeviceAnswer, ok, broken bool) string {
	if !ok {
		return ""
	}
	if a.Fault != nil {
		code := a.Fault.Code
		if code == signum.OTAError || broken && code == signum.InternalError {
			return "" // see the tests of these faults
		}
		if s.Result == applet.OK || faults[s.Result] != code {
			return fmt.Sprintf("fault %v, the card says %s", a.Fault, s.Result)
		}
		return ""
	}
	switch {
	case r.Op == mssp.OpDisplay:
		want := map[applet.Result]signum.ReceiptResult{0: signum.ReceiptAccepted, 1: signum.ReceiptCancelled, 2: signum.ReceiptTimedOut}[s.Result]
		if a.Receipt != want {
			return "receipt " + string(a.Receipt)
		}
	case s.Result != applet.OK:
		return "success, the card says " + s.Result.String()
	case r.Op == mssp.OpSign && !verify(f.key.Public(), r.SignedAttrs, a.Signature):
		return "a wrong signature"
	case r.Op == mssp.OpActivate && !verify(f.key.Public(), mssp.ActivationProof(r.TransID, a.PublicKey), a.Proof):
		return "a wrong proof"
	}
	return ""
}

// retryAsk is ask for an engine that retries until its store works.
func (w *world) retryAsk(r mssp.DeviceRequest) {
	w.engine.mu.Lock()
	w.engine.pending[r.DeviceID] = append(w.engine.pending[r.DeviceID], r)
	w.engine.mu.Unlock()
	for range 10 {
		if w.node().Send(context.Background(), r) == nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// node returns the running node.
func (w *world) node() *Channel {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	return w.ch
}

// crash restarts the service; the engine hands over what is outstanding.
func (w *world) crash() {
	w.node().Close()
	w.start()
	w.engine.mu.Lock()
	var again []mssp.DeviceRequest
	for _, list := range w.engine.pending {
		again = append(again, list...)
	}
	w.engine.mu.Unlock()
	for _, r := range again {
		if err := w.node().Send(context.Background(), r); err != nil && !errors.Is(err, errStore) {
			w.t.Errorf("Send: %v", err)
		}
	}
}

func BenchmarkSignature(b *testing.B) {
	for name, traced := range map[string]int{"traced": 0, "untraced": -1} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, func(c *Config) { c.TracedCards = traced })
			defer w.ch.Close()
			f := w.card(ecKey)
			// The reply comes immediately after the submission.
			sig := f.sign([]byte("x"))
			done := make(chan struct{}, 1)
			w.ch.cfg.Send = only(func(ctx context.Context, m *smpp.SubmitSM) (string, error) {
				cmd, err := scp80.OpenCommand(m.ShortMessage[3:], f.keys)
				if err != nil {
					return "", err
				}
				r, err := applet.ParseRequest(cmd.Data)
				if err != nil {
					return "", err
				}
				p := f.packet(&applet.Reply{Op: applet.Sign, ID: r.ID, KeyID: 1, Signature: sig})
				if st := w.deliver(from(f, single(0x70, p))); st != smpp.StatusOK {
					return "", st
				}
				done <- struct{}{}
				return "", nil
			})
			r := w.request(f, mssp.OpSign, "", text)
			r.Expires = time.Now().Add(time.Hour)
			b.ReportAllocs()
			for i := range b.N {
				r.TransID = fmt.Sprintf("_%d", i)
				w.ask(r)
				<-done
			}
		})
	}
}
