package phone_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/phone"
)

// In any order of sending, repeating, withdrawing, waiting, typing and
// changing one's mind, a transaction gets at most one distinct answer, nothing
// is signed that was not shown before with its own text, and nothing after it
// was withdrawn or its time was over.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			keys := newCountingKeys()
			m, diary := &mssp{}, &diary{}
			n := phone.New(phone.Config{Keys: keys, Observe: diary.note,
				Delay: rapid.SampledFrom([]time.Duration{0, 200 * time.Millisecond}).Draw(rt, "delay")})
			n.Connect(m)
			var devices []*phone.Device
			for i, method := range []signum.Method{signum.SIM, signum.App, signum.SIM} {
				spec := phone.DeviceSpec{ID: fmt.Sprint("d", i), MSISDN: msisdn, Method: method}
				keys.withKey(t, spec.ID, signum.EC)
				d, err := n.Add(spec)
				if err != nil {
					rt.Fatal(err)
				}
				devices = append(devices, d)
			}
			sent := make(map[string]signum.DeviceRequest)
			device := func(rt *rapid.T) *phone.Device { return rapid.SampledFrom(devices).Draw(rt, "device") }
			// Few, so that they meet: a device remembers all of them.
			transID := func(rt *rapid.T, d *phone.Device) string {
				return fmt.Sprint(d.ID(), "-", rapid.IntRange(0, 9).Draw(rt, "transaction"))
			}
			rt.Repeat(map[string]func(*rapid.T){
				"send": func(rt *rapid.T) {
					d := device(rt)
					id := transID(rt, d)
					r, ok := sent[id]
					if !ok {
						r = request(d, id, "text of "+id)
						r.Expires = time.Now().Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "valid")) * time.Second)
						if rapid.IntRange(0, 9).Draw(rt, "forged") == 0 {
							r.SignedAttrs = signedAttrs("other text")
						}
						sent[id] = r
					}
					_ = n.Send(context.Background(), r)
				},
				"cancel": func(rt *rapid.T) {
					d := device(rt)
					n.Cancel(context.Background(), d.ID(), transID(rt, d))
				},
				"behave": func(rt *rapid.T) {
					b := phone.Behaviour{
						Do:    rapid.SampledFrom(phone.Actions()).Draw(rt, "action"),
						After: time.Duration(rapid.IntRange(0, 8000).Draw(rt, "after")) * time.Millisecond,
					}
					method := rapid.SampledFrom([]signum.Method{signum.SIM, signum.App}).Draw(rt, "method")
					if err := n.Behave(msisdn, b, method); err != nil {
						rt.Fatal(err)
					}
				},
				"type": func(rt *rapid.T) {
					d := device(rt)
					pin := rapid.SampledFrom([]string{phone.DefaultPIN, phone.DefaultPIN, "000000"}).Draw(rt, "pin")
					_ = n.EnterPIN(d.ID(), transID(rt, d), pin)
				},
				"decline": func(rt *rapid.T) {
					d := device(rt)
					_ = n.Decline(d.ID(), transID(rt, d))
				},
				"unblock": func(rt *rapid.T) { device(rt).Unblock() },
				"fail":    func(rt *rapid.T) { m.fail(rapid.IntRange(0, 3).Draw(rt, "answers")) },
				"wait": func(rt *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "ms")) * time.Millisecond)
				},
				"settle": func(*rapid.T) { synctest.Wait() },
			})
			time.Sleep(time.Minute)
			n.Close()
			checkAnswers(rt, m.got(), sent)
			if signed := checkEvents(rt, diary.all(), sent); signed != keys.signatures() {
				rt.Fatalf("%d signatures, %d of them told", keys.signatures(), signed)
			}
		})
	})
}

func (m *mssp) fail(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = n
}

func checkAnswers(rt *rapid.T, answers []signum.DeviceAnswer, sent map[string]signum.DeviceRequest) {
	first := make(map[string]signum.DeviceAnswer)
	for _, a := range answers {
		r, ok := sent[a.TransID]
		if !ok || a.DeviceID != r.DeviceID || (a.Fault == nil) == (a.Signature == nil) {
			rt.Fatalf("answer %+v to %+v", a, r)
		}
		if f, ok := first[a.TransID]; ok && (code(f) != code(a) || !bytes.Equal(f.Signature, a.Signature)) {
			rt.Fatalf("two answers: %+v, then %+v", f, a)
		}
		first[a.TransID] = a
	}
}

// checkEvents returns how many signatures the events tell of.
func checkEvents(rt *rapid.T, events []phone.Event, sent map[string]signum.DeviceRequest) int {
	const never, shown, over = 0, 1, 2
	stage := make(map[string]int)
	pins := make(map[string]bool)
	signed := 0
	for _, e := range events {
		r := sent[e.TransID]
		if e.Text != r.Text || e.DeviceID != r.DeviceID {
			rt.Fatalf("event %+v of %+v", e, r)
		}
		want, next := shown, over
		switch e.Kind {
		case phone.Shown:
			want, next = never, shown
			if !bytes.Equal(r.SignedAttrs, signedAttrs(e.Text)) {
				rt.Fatalf("shown, but not what would be signed: %+v", e)
			}
		case phone.PINRight:
			next = shown
			pins[e.TransID] = true
		case phone.PINWrong:
			if e.TriesLeft > 0 {
				next = shown
			}
		case phone.Signed:
			signed++
			if !pins[e.TransID] || !e.Time.Before(r.Expires) {
				rt.Fatalf("signed without PIN, or too late: %+v", e)
			}
		case phone.Refused:
			want = never
		case phone.Undelivered:
			want, next = never, never
			if !e.Time.Before(r.Expires) { // it may have come too late before, too
				want, next = stage[e.TransID], stage[e.TransID]
			}
		case phone.Expired:
			if e.Time.Before(r.Expires) {
				rt.Fatalf("too early: %+v", e)
			}
			want = stage[e.TransID] // shown, or arrived too late, once or again
		}
		if stage[e.TransID] != want {
			rt.Fatalf("%s at stage %d, want %d: %+v", e.Kind, stage[e.TransID], want, e)
		}
		stage[e.TransID] = next
	}
	return signed
}
