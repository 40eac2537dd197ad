package phone_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

// name is what names a request.
type name struct {
	transID string
	op      mssp.DeviceOp
}

var ops = []mssp.DeviceOp{mssp.OpSign, mssp.OpSign, mssp.OpActivate, mssp.OpDisplay}

// draw makes a request of any operation, some of them forged or called by an
// app whose token is the transaction.
func draw(rt *rapid.T, d *phone.Device, id name, now time.Time) mssp.DeviceRequest {
	text := fmt.Sprint("text of ", id)
	r := request(d, id.transID, text)
	switch id.op {
	case mssp.OpActivate:
		r = activation(d, id.transID)
		r.Text = text
	case mssp.OpDisplay:
		r = receipt(d, id.transID, text)
	default:
		if rapid.IntRange(0, 9).Draw(rt, "forged") == 0 {
			r.SignedAttrs = signedAttrs("other text")
		} else if d.Method() == signum.App && rapid.Bool().Draw(rt, "called") {
			r = calledBy(r, id.transID)
		}
	}
	r.Expires = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "valid")) * time.Second)
	return r
}

// In any order of sending, repeating, withdrawing, waiting, opening, typing and
// changing one's mind, a request gets at most one distinct answer, nothing is
// signed that was not shown before with its own text, and nothing after it was
// withdrawn or its time was over.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			keys := newCountingKeys()
			m, diary := &answers{}, &diary{}
			n := phone.New(phone.Config{Keys: keys, Observe: diary.note,
				Delay: rapid.SampledFrom([]time.Duration{0, 200 * time.Millisecond}).Draw(rt, "delay")})
			n.Connect(m)
			var devices []*phone.Device
			for i, method := range []signum.Method{signum.SIM, signum.App, signum.SIM} {
				spec := phone.DeviceSpec{ID: fmt.Sprint("d", i), MSISDN: msisdn, Method: method}
				if spec.Blank = i == 2; !spec.Blank {
					keys.withKey(t, spec.ID, signum.EC)
				}
				d, err := n.Add(spec)
				if err != nil {
					rt.Fatal(err)
				}
				devices = append(devices, d)
			}
			sent := make(map[name]mssp.DeviceRequest)
			device := func(rt *rapid.T) *phone.Device { return rapid.SampledFrom(devices).Draw(rt, "device") }
			// Few, so that they meet: a device remembers all of them.
			transID := func(rt *rapid.T, d *phone.Device) string {
				return fmt.Sprint(d.ID(), "-", rapid.IntRange(0, 5).Draw(rt, "transaction"))
			}
			pin := func(rt *rapid.T) string {
				return rapid.SampledFrom([]string{phone.DefaultPIN, phone.DefaultPIN, "000000"}).Draw(rt, "pin")
			}
			rt.Repeat(map[string]func(*rapid.T){
				"send": func(rt *rapid.T) {
					d := device(rt)
					id := name{transID(rt, d), rapid.SampledFrom(ops).Draw(rt, "op")}
					r, ok := sent[id]
					if !ok {
						r = draw(rt, d, id, time.Now())
						sent[id] = r
					}
					_ = n.Send(context.Background(), r)
				},
				"open": func(rt *rapid.T) { _, _ = n.Open(authURI(transID(rt, devices[1]))) },
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
					_ = n.EnterPIN(d.ID(), transID(rt, d), pin(rt))
				},
				"choose": func(rt *rapid.T) {
					d := device(rt)
					_ = n.SetPIN(d.ID(), transID(rt, d), pin(rt), pin(rt))
				},
				"acknowledge": func(rt *rapid.T) {
					d := device(rt)
					_ = n.Acknowledge(d.ID(), transID(rt, d))
				},
				"decline": func(rt *rapid.T) {
					d := device(rt)
					_ = n.Decline(d.ID(), transID(rt, d))
				},
				"unblock": func(rt *rapid.T) { device(rt).Unblock() },
				"fail":    func(rt *rapid.T) { m.fail(rapid.IntRange(0, 3).Draw(rt, "answers")) },
				"wait": func(rt *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(0, 15000).Draw(rt, "ms")) * time.Millisecond)
				},
				"settle": func(*rapid.T) { synctest.Wait() },
			})
			time.Sleep(2 * time.Minute)
			n.Close()
			checkAnswers(rt, m.got(), sent)
			// The key of the blank card is made there, and not counted.
			if signed := checkEvents(rt, diary.all(), sent, devices[2].ID()); signed != keys.signatures() {
				rt.Fatalf("%d signatures, %d of them told", keys.signatures(), signed)
			}
		})
	})
}

func (m *answers) fail(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = n
}

func checkAnswers(rt *rapid.T, answers []mssp.DeviceAnswer, sent map[name]mssp.DeviceRequest) {
	first := make(map[name]mssp.DeviceAnswer)
	for _, a := range answers {
		id := name{a.TransID, a.Op}
		r, ok := sent[id]
		given := map[mssp.DeviceOp]bool{
			mssp.OpSign: a.Signature != nil, mssp.OpActivate: a.PublicKey != nil && a.Proof != nil, mssp.OpDisplay: a.Receipt != "",
		}
		if !ok || a.DeviceID != r.DeviceID || (a.Fault == nil) != given[a.Op] {
			rt.Fatalf("answer %+v to %+v", a, r)
		}
		if f, ok := first[id]; ok && (code(f) != code(a) || !bytes.Equal(f.Signature, a.Signature) || !bytes.Equal(f.Proof, a.Proof) || f.Receipt != a.Receipt) {
			rt.Fatalf("two answers: %+v, then %+v", f, a)
		}
		first[id] = a
	}
}

// The stages of a request on a device.
const (
	never = iota
	waiting
	opened
	shown
	over
)

// stages are those before an event and the one after it.
var stages = map[phone.Kind]struct {
	op     []mssp.DeviceOp // nil: any
	before []int
	after  int
}{
	phone.Waiting:      {[]mssp.DeviceOp{mssp.OpSign}, []int{never}, waiting},
	phone.Opened:       {[]mssp.DeviceOp{mssp.OpSign}, []int{waiting}, opened},
	phone.Shown:        {nil, []int{never, opened}, shown},
	phone.Refused:      {nil, []int{never, opened}, over},
	phone.PINRight:     {[]mssp.DeviceOp{mssp.OpSign}, []int{shown}, shown},
	phone.PINWrong:     {[]mssp.DeviceOp{mssp.OpSign}, []int{shown}, shown},
	phone.Signed:       {[]mssp.DeviceOp{mssp.OpSign}, []int{shown}, over},
	phone.PINRejected:  {[]mssp.DeviceOp{mssp.OpActivate}, []int{shown}, shown},
	phone.PINSet:       {[]mssp.DeviceOp{mssp.OpActivate}, []int{shown}, over},
	phone.Acknowledged: {[]mssp.DeviceOp{mssp.OpDisplay}, []int{shown}, over},
	phone.TimedOut:     {[]mssp.DeviceOp{mssp.OpDisplay}, []int{shown}, over},
	phone.Cancelled:    {nil, []int{shown}, over},
	phone.Replaced:     {nil, []int{shown, waiting}, over},
	phone.Withdrawn:    {nil, []int{shown, waiting}, over},
	phone.Undelivered:  {nil, []int{never}, never},
	phone.Expired:      {nil, []int{never, shown, waiting}, over},
}

// checkEvents returns how many signatures the events tell of, those of one
// device left out.
func checkEvents(rt *rapid.T, events []phone.Event, sent map[name]mssp.DeviceRequest, except string) int {
	stage := make(map[name]int)
	pins := make(map[name]bool)
	signed := 0
	for _, e := range events {
		id := name{e.TransID, e.Op}
		r := sent[id]
		late := !e.Time.Before(r.Expires)
		s, known := stages[e.Kind]
		// What arrived too late may arrive so again, or not at all.
		ok := slices.Contains(s.before, stage[id]) || late && (e.Kind == phone.Expired || e.Kind == phone.Undelivered)
		if !known || !ok || s.op != nil && !slices.Contains(s.op, e.Op) || e.Text != r.Text || e.DeviceID != r.DeviceID {
			rt.Fatalf("at stage %d: %+v of %+v", stage[id], e, r)
		}
		switch e.Kind {
		case phone.Shown:
			if e.Op == mssp.OpSign && !bytes.Equal(r.SignedAttrs, signedAttrs(e.Text)) {
				rt.Fatalf("shown, but not what would be signed: %+v", e)
			}
		case phone.PINRight:
			pins[id] = true
		case phone.PINWrong:
			if e.TriesLeft == 0 {
				s.after = over
			}
		case phone.Signed, phone.PINSet:
			if e.DeviceID != except {
				signed++
			}
			if late || e.Op == mssp.OpSign && !pins[id] {
				rt.Fatalf("signed without PIN, or too late: %+v", e)
			}
		case phone.Expired:
			if !late {
				rt.Fatalf("too early: %+v", e)
			}
		case phone.Undelivered:
			s.after = stage[id]
		}
		stage[id] = s.after
	}
	return signed
}
