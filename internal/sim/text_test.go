package sim

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

func TestSendText(t *testing.T) {
	const msisdn = "+41791234567"
	bank := smpp.Address{TON: 5, Addr: "Bank"}
	for name, tt := range map[string]struct {
		m      mssp.TextMessage
		source smpp.Address
		from   smpp.Address
		dcs    byte
		octets []int // of the bodies
	}{
		"septets":    {mssp.TextMessage{Text: "Code: 123456"}, smpp.Address{}, service, 0x00, []int{12}},
		"flash":      {mssp.TextMessage{Text: "Code: 123456", Flash: true}, bank, bank, 0x10, []int{12}},
		"UCS2":       {mssp.TextMessage{Text: "Код: 1"}, bank, bank, 0x08, []int{12}},
		"UCS2 flash": {mssp.TextMessage{Text: "Код: 1", Flash: true}, bank, bank, 0x18, []int{12}},
		"160":        {mssp.TextMessage{Text: strings.Repeat("x", 160)}, bank, bank, 0, []int{160}},
		"161":        {mssp.TextMessage{Text: strings.Repeat("x", 161)}, bank, bank, 0, []int{6 + 153, 6 + 8}},
		"71 UCS2":    {mssp.TextMessage{Text: strings.Repeat("ж", 71)}, bank, bank, 8, []int{6 + 134, 6 + 8}},
		"extension":  {mssp.TextMessage{Text: "€5"}, bank, bank, 0, []int{3}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				tt.m.MSISDN = msisdn
				if err := w.ch.SendText(ctx, tt.m); err != nil {
					t.Fatal(err)
				}
				var got string
				for i, m := range w.net.texts {
					esm, body := byte(0), m.ShortMessage
					if len(tt.octets) > 1 {
						esm = 0x40
						h, rest, err := sms.ParseUserData(body)
						if c, ok, _ := h.Concat(); err != nil || !ok || int(c.Seq) != i+1 || int(c.Total) != len(tt.octets) {
							t.Errorf("%+v, %v", c, err)
						}
						body = rest
					}
					want := smpp.SubmitSM{Source: tt.from, Dest: smpp.Address{TON: 1, NPI: 1, Addr: msisdn[1:]}, ESMClass: esm, DataCoding: tt.dcs}
					if !equal(*m, want) || len(m.ShortMessage) != tt.octets[i] {
						t.Errorf("%+v, %d octets", m, len(m.ShortMessage))
					}
					part, err := sms.DecodeText(m.DataCoding, body)
					if err != nil {
						t.Error(err)
					}
					got += part
				}
				if got != tt.m.Text {
					t.Errorf("%q", got)
				}
			}, func(c *Config) { c.TextSource = tt.source })
		})
	}
}

// Errors of the SMSC mean that the user cannot be reached. A text that the SMSC certainly
// does not have is sent again within its time; one that it may have is not.
func TestSendTextErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		errs []error
		ok   bool
		sent int
	}{
		"throttled":           {[]error{smpp.StatusThrottled}, true, 1},
		"not bound":           {[]error{smpp.ErrUnbound, smpp.ErrUnbound}, true, 1},
		"throttled forever":   {slices.Repeat([]error{smpp.StatusThrottled}, 50), false, 0},
		"no response":         {[]error{smpp.ErrTimeout}, false, 0},
		"unknown destination": {[]error{smpp.StatusInvalidDst}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				w.net.fails(tt.errs...)
				start := time.Now()
				err := w.ch.SendText(ctx, mssp.TextMessage{MSISDN: "+41791234567", Text: "1"})
				if err == nil != tt.ok || err != nil && !errors.Is(err, mssp.ErrUnreachable) {
					t.Error(err)
				}
				if w.net.count() != tt.sent || time.Since(start) > 10*time.Second {
					t.Errorf("%d sent, took %s", w.net.count(), time.Since(start))
				}
			})
		})
	}
	run(t, func(w *world) {
		w.net.dead = true
		start := time.Now()
		if err := w.ch.SendText(ctx, mssp.TextMessage{MSISDN: "+41791234567", Text: "1"}); !errors.Is(err, smpp.ErrUnbound) {
			t.Error(err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
	})
	run(t, func(w *world) {
		if err := w.ch.SendText(ctx, mssp.TextMessage{MSISDN: "+41791234567", Text: "\xff"}); !errors.Is(err, mssp.ErrRefused) {
			t.Errorf("no text: %v", err)
		}
		w.ch.Close()
		if err := w.ch.SendText(ctx, mssp.TextMessage{MSISDN: "+41791234567", Text: "1"}); err == nil || errors.Is(err, mssp.ErrUnreachable) {
			t.Errorf("closed: %v", err)
		}
	})
}
