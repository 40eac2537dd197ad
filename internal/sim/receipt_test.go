package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
)

// An id of a response and one of a receipt: are they the same?
func TestMessageIDs(t *testing.T) {
	for _, tt := range []struct {
		response, receipt string
		want              likeness
	}{
		{"00C0FFEE", "00C0FFEE", same},
		{"00C0FFEE", "00c0ffee", sameSpelling},
		{"00C0FFEE", "C0FFEE", sameSpelling},
		{"C0FFEE", "  00C0FFEE ", sameSpelling},
		{"00C0FFEE", "12648430", sameNumber},   // hexadecimal, then decimal
		{"12648430", "c0ffee", sameNumber},     // the other way round
		{"33E95179", "0870928761", sameNumber}, // jsmpp, issue 56
		{"39f99dd5", "0972660181", sameNumber}, // jasmin, issue 1034
		{"10C8F40D", "281605133", sameNumber},  // jasmin, issue 535
		{"00B8BE19", "B8BE19", sameSpelling},   // jasmin, issue 1129
		{"0", "000", sameSpelling},
		{"10", "16", sameNumber},
		{"10", "A", sameNumber},
		{"10", "11", unlike},
		{"9d9e69eb-52a7-4a4d-a380-8bce7c11f4cd", "9D9E69EB-52A7-4A4D-A380-8BCE7C11F4CD", sameSpelling},
		{"9d9e69eb-52a7-4a4d-a380-8bce7c11f4cd", "9d9e69eb", unlike},
		{"FFFFFFFFFFFFFFFFFFFF", "1208925819614629174706175", sameNumber},
		{"-16", "10", unlike},
		{"+16", "10", unlike},
		{"1_6", "10", unlike},
		{"", "", unlike},
		{"node-1", "node-2", unlike},
	} {
		if got := (messageID{"a", tt.response}).like(messageID{"a", tt.receipt}); got != tt.want {
			t.Errorf("%q, %q: %d, want %d", tt.response, tt.receipt, got, tt.want)
		}
		if got := (messageID{"a", tt.response}).like(messageID{"b", tt.receipt}); got != unlike {
			t.Errorf("%q, %q of another SMSC: %d", tt.response, tt.receipt, got)
		}
	}
}

// Which of two ids is the response's makes no difference, and an id is like itself.
func FuzzMessageID(f *testing.F) {
	f.Add("00C0FFEE", "12648430")
	f.Add(" 10", "0xA")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := messageID{"a", a}, messageID{"a", b}
		if x.like(y) != y.like(x) {
			t.Errorf("%q, %q: %d, the other way round %d", a, b, x.like(y), y.like(x))
		}
		if a != "" && x.like(x) != same {
			t.Errorf("%q is not like itself", a)
		}
	})
}

// Several messages of one number are outstanding: which one is a receipt about?
func TestReceiptsOfOneNumber(t *testing.T) {
	for _, tt := range []struct {
		outstanding []string
		ids         []string // of the receipt
		want        int      // -1: none
	}{
		{[]string{"10", "16"}, []string{"10"}, 0}, // hexadecimal or not: as it is written
		{[]string{"10", "16"}, []string{"16"}, 1},
		{[]string{"10", "A"}, []string{"0010"}, 0}, // "A" is 10 in decimal
		{[]string{"10", "22"}, []string{"16"}, -1}, // 0x10 = 16, and 0x16 = 22: it could be either
		{[]string{"FF", "100"}, []string{"255"}, 0},
		{[]string{"FF", "100"}, []string{"256"}, 1},
		{[]string{"FF"}, []string{"254"}, -1},
		{[]string{"FF"}, []string{"000", "255"}, 0}, // the TLV is wrong, the text is right
		{nil, []string{"1"}, -1},
	} {
		table := newTable()
		var all []*request
		for _, id := range tt.outstanding {
			q := &request{DeviceRequest: mssp.DeviceRequest{MSISDN: "+41791000001"}}
			q.attempts.messages = []messageID{{"a", id}}
			table.put(q)
			all = append(all, q)
		}
		r := receiptOf{Receipt: &smpp.Receipt{}}
		for _, id := range tt.ids {
			r.ids = append(r.ids, messageID{"a", id})
		}
		q, last := table.submitted([]string{"+41791000001", "+41790000500"}, r)
		if tt.want < 0 && q != nil || tt.want >= 0 && (q != all[tt.want] || !last) {
			t.Errorf("%v, receipt about %v: %v", tt.outstanding, tt.ids, q)
		}
	}
}

// stored is an SMSC that answers before it knows whether it reaches the phone, and sends
// receipts as a test says.
type stored struct {
	w     *world
	n     atomic.Int32
	early bool                                              // the receipt comes before the response
	make  func(id string, m *smpp.SubmitSM) *smpp.DeliverSM // nil: no receipt
	node  *pairNode                                         // that gets the receipts; nil: the only one
}

func (s *stored) deliver(d *smpp.DeliverSM) {
	if s.node == nil {
		s.w.deliver(d)
		return
	}
	s.node.ch.Deliver(ctx, "", d, new(event.Event))
}

func (s *stored) submit(_ context.Context, m *smpp.SubmitSM) (string, error) {
	n := s.n.Add(1)
	id := fmt.Sprintf("%08X", 0xC0FFE0+n)
	d := s.make(id, m)
	switch {
	case d == nil:
	case s.early:
		s.deliver(d)
	default:
		time.AfterFunc(time.Second, func() { s.deliver(d) })
	}
	return id, nil
}

func fromPhone(m *smpp.SubmitSM, esm byte, text string) *smpp.DeliverSM {
	return &smpp.DeliverSM{Source: m.Dest, Dest: m.Source, ESMClass: esm, ShortMessage: []byte(text)}
}

func decimal(id string) string {
	var n int
	_, _ = fmt.Sscanf(id, "%X", &n)
	return fmt.Sprintf("%010d", n)
}

// A phone that was never reached is 209, a phone that may have been is 208; in every
// spelling of receipts.
func TestOutcomeByReceipts(t *testing.T) {
	text := func(esm byte, format string) func(string, *smpp.SubmitSM) *smpp.DeliverSM {
		return func(id string, m *smpp.SubmitSM) *smpp.DeliverSM {
			return fromPhone(m, esm, fmt.Sprintf(format+"%.0[2]s%.0[1]s", id, decimal(id)))
		}
	}
	for name, tt := range map[string]struct {
		make  func(string, *smpp.SubmitSM) *smpp.DeliverSM
		code  signum.Code // 0: none, the engine ends it with 208
		least int         // messages
	}{
		"EXPIRED":          {text(4, "id:%[1]s stat:EXPIRED"), 209, 7},
		"UNDELIV, decimal": {text(4, "id:%[2]s stat:UNDELIV"), 209, 7},
		"REJECTD, lower case": {func(id string, m *smpp.SubmitSM) *smpp.DeliverSM {
			return fromPhone(m, 4, "id:"+strings.ToLower(id)+" stat:REJECTD")
		}, 209, 7},
		"not declared":                  {text(0, "id:%[1]s sub:001 dlvrd:000 stat:UNDELIV err:001"), 209, 7},
		"not declared, decimal":         {text(0, "id:%[2]s sub:001 dlvrd:000 stat:UNDELIV err:001"), 209, 7},
		"not declared, with a header":   {text(smpp.UDHI, "id:%[1]s stat:UNDELIV"), 208, 7},
		"not declared, of another":      {text(0, "id:F%[1]s stat:UNDELIV"), 208, 7},
		"on its way all the time":       {text(4, "id:%[1]s stat:ENROUTE"), 209, 7},
		"intermediate notification":     {text(0x20, "id:%[1]s stat:ENROUTE"), 209, 7},
		"delivered":                     {text(4, "id:%[1]s stat:DELIVRD"), 208, 7},
		"accepted, whatever that means": {text(4, "id:%[1]s stat:ACCEPTD"), 208, 7},
		"no receipts":                   {func(string, *smpp.SubmitSM) *smpp.DeliverSM { return nil }, 208, 7},
		"TLVs alone": {func(id string, m *smpp.SubmitSM) *smpp.DeliverSM {
			d := fromPhone(m, 4, "")
			d.TLVs = []smpp.TLV{{Tag: smpp.TagReceiptedMessageID, Value: []byte(id)}, {Tag: smpp.TagMessageState, Value: []byte{3}}}
			return d
		}, 209, 7},
		"source and destination kept": {func(id string, m *smpp.SubmitSM) *smpp.DeliverSM {
			d := fromPhone(m, 4, "id:"+id+" stat:UNDELIV")
			d.Source, d.Dest = d.Dest, d.Source
			return d
		}, 209, 7},
	} {
		for _, early := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, early %v", name, early), func(t *testing.T) {
				run(t, func(w *world) {
					s := &stored{w: w, early: early, make: tt.make}
					w.ch.cfg.Send = only(s.submit)
					w.ask(w.request(w.card(ecKey), mssp.OpSign, "_1", "Bank: Login?"))
					pass(lifetime)
					switch got := w.engine.answers(); {
					case tt.code == 208 && len(got) != 0:
						t.Errorf("%+v %v", got, got[0].Fault)
					case tt.code != 208:
						w.code(tt.code)
					}
					if n := int(s.n.Load()); n < tt.least || n > 8 {
						t.Errorf("%d messages", n)
					}
					w.empty()
				})
			})
		}
	}
}

// Once a packet has reached the phone, later failures do not make it a phone that was
// never reached.
func TestReachedOnce(t *testing.T) {
	run(t, func(w *world) {
		s := &stored{w: w}
		s.make = func(id string, m *smpp.SubmitSM) *smpp.DeliverSM {
			if s.n.Load() == 1 {
				return fromPhone(m, 4, "id:"+id+" stat:DELIVRD")
			}
			return fromPhone(m, 4, "id:"+id+" stat:UNDELIV")
		}
		w.ch.cfg.Send = only(s.submit)
		w.ask(w.request(w.card(ecKey), mssp.OpSign, "_1", text))
		pass(lifetime)
		if got := w.engine.answers(); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		w.empty()
	})
}

// A receipt of an earlier attempt says nothing about the last one.
func TestReceiptOfAnEarlierAttempt(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(9 * time.Second)
		sent := w.net.count()
		r := &smpp.Receipt{MessageID: "m1", State: smpp.StateUndeliverable}
		w.deliver(r.Deliver(smpp.Address{TON: 1, NPI: 1, Addr: f.msisdn[1:]}, service))
		if e := w.event(); e.Reason != reasonNoEffect || e.TransID != "_1" {
			t.Errorf("%+v", e)
		}
		pass(6 * time.Second)
		if n := w.net.count(); sent != 2 || n != 2 {
			t.Errorf("%d, then %d sent", sent, n)
		}
	})
}

// With no SMSC bound for too long, new requests and texts fail at once; what waits stays.
func TestUnboundForLong(t *testing.T) {
	var unbound atomic.Int64
	run(t, func(w *world) {
		f, g := w.card(ecKey), w.card(ecKey)
		w.net.dead = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		unbound.Store(int64(9 * time.Second))
		pass(time.Second)
		unbound.Store(int64(10 * time.Second))
		for _, op := range []mssp.DeviceOp{mssp.OpSign, mssp.OpActivate, mssp.OpDisplay} {
			if err := w.ch.Send(ctx, w.request(g, op, "_2", text)); !errors.Is(err, mssp.ErrUnreachable) {
				t.Errorf("%v: %v", op, err)
			}
		}
		start := time.Now()
		if err := w.ch.SendText(ctx, mssp.TextMessage{MSISDN: g.msisdn, Text: "Code: 1"}); !errors.Is(err, mssp.ErrUnreachable) || time.Since(start) > 0 {
			t.Errorf("a text: %v after %s", err, time.Since(start))
		}
		w.net.mu.Lock()
		w.net.dead = false
		w.net.mu.Unlock()
		unbound.Store(0)
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Errorf("the request that waited: %v", a.Fault)
		}
		w.empty()
	}, func(c *Config) { c.Unbound = func(bool) time.Duration { return time.Duration(unbound.Load()) } })
}

// Without an SMSC, requests and texts fail at once.
func TestNoSMSC(t *testing.T) {
	run(t, func(w *world) {
		f, start := w.card(ecKey), time.Now()
		w.ch.cfg.Send = nil
		if err := w.ch.Send(ctx, w.request(f, mssp.OpSign, "_1", text)); !errors.Is(err, mssp.ErrUnreachable) {
			t.Errorf("a request: %v", err)
		}
		err := w.ch.SendText(ctx, mssp.TextMessage{MSISDN: f.msisdn, Text: "Code: 1"})
		if !errors.Is(err, mssp.ErrUnreachable) || time.Since(start) > 0 {
			t.Errorf("a text: %v after %s", err, time.Since(start))
		}
		w.empty()
	})
}
