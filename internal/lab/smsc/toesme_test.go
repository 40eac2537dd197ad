package smsc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

func (w *world) fromPhone(n byte) {
	w.t.Helper()
	if err := w.smsc.Submit(phoneNumber, fromPhone(w.t, n)); err != nil {
		w.t.Fatal(err)
	}
}

func numbers(box []*smpp.DeliverSM) []byte {
	var n []byte
	for _, d := range box {
		n = append(n, d.ShortMessage[len(d.ShortMessage)-1])
	}
	return n
}

func TestFromPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		for n := range byte(5) {
			w.fromPhone(n)
		}
		synctest.Wait()
		box := w.inbox.all()
		if !bytes.Equal(numbers(box), []byte{0, 1, 2, 3, 4}) {
			t.Fatalf("order %v", numbers(box))
		}
		if d := box[0]; d.Source != phone || d.Dest != service || d.ESMClass != smpp.UDHI || d.DataCoding != 0xf6 || !bytes.Equal(d.ShortMessage, []byte{2, 0x70, 0, 0}) {
			t.Errorf("%+v", d)
		}
		if err := w.smsc.Submit(phoneNumber, []byte{1, 2, 3}); !errors.Is(err, sms.ErrMalformed) {
			t.Errorf("no TPDU: %v", err)
		}
	})
}

// A message from a phone is delivered until an ESME acknowledges it or its lifetime
// ends.
func TestFromPhoneIsRetried(t *testing.T) {
	tests := []struct {
		name     string
		answer   func(n int) smpp.Status
		attempts int
		want     smsc.Counters
	}{
		{"temporary errors", func(n int) smpp.Status {
			return []smpp.Status{smpp.StatusRxTempError, smpp.StatusThrottled, smpp.StatusMsgQFull, smpp.StatusSysErr, smpp.StatusOK}[n-1]
		}, 5, smsc.Counters{Delivered: 1}},
		{"never", func(int) smpp.Status { return smpp.StatusRxTempError }, 12, smsc.Counters{Expired: 1}},
		{"permanent error", func(int) smpp.Status { return smpp.StatusRxPermError }, 1, smsc.Counters{Refused: 1}},
		{"rejected", func(int) smpp.Status { return smpp.StatusRxRejected }, 1, smsc.Counters{Refused: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, smsc.Config{Lifetime: 58 * time.Second})
				w.inbox.answer = tt.answer
				start := time.Now()
				w.fromPhone(1)
				time.Sleep(time.Hour)
				if n := len(w.inbox.all()); n != tt.attempts {
					t.Errorf("%d attempts, want %d", n, tt.attempts)
				}
				for i, at := range w.inbox.at {
					if at.Sub(start) != time.Duration(i)*smsc.DefaultRetryPause {
						t.Errorf("attempt %d after %v", i, at.Sub(start))
					}
				}
				tt.want.Taken, tt.want.Attempts = 1, uint64(tt.attempts)
				if c := w.smsc.Counters(smsc.ToESME); c != tt.want {
					t.Errorf("%+v, want %+v", c, tt.want)
				}
			})
		})
	}
}

// Waiting messages are delivered as soon as a receiving ESME binds.
func TestFromPhoneWaitsForBind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{RetryPause: time.Hour, Lifetime: 3 * time.Hour})
		w.stop()
		w.fromPhone(7)
		tpdu, err := (&sms.Submit{To: sms.Address{NPI: 1, Digits: "555"}, DCS: sms.DCSCard, Validity: 5 * time.Minute, UD: []byte{8}}).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.smsc.Submit(phoneNumber, tpdu); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if c := w.smsc.Counters(smsc.ToESME); c.Expired != 1 || c.Waiting != 1 {
			t.Errorf("the phone's own validity: %+v", c)
		}
		w.bind()
		if got := numbers(w.inbox.all()); !bytes.Equal(got, []byte{7}) {
			t.Errorf("got %v", got)
		}
	})
}

// A connection is lost in the middle of a deliver_sm.
func TestFromPhoneDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		w.inbox.answer = func(n int) smpp.Status {
			if n == 1 {
				w.smsc.Disconnect()
			}
			return smpp.StatusOK
		}
		w.fromPhone(1)
		time.Sleep(time.Minute)
		if got := numbers(w.inbox.all()); !bytes.Equal(got, []byte{1, 1}) || w.esme.Bound() != 1 {
			t.Errorf("got %v, %d bound", got, w.esme.Bound())
		}
	})
}

// Receipts go to the ESME that sent the message.
func TestReceiptGoesToItsSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, radio: &radio{start: time.Now()}, inbox: &inbox{}, net: newPipes()}
		var err error
		w.smsc, err = smsc.New(smsc.Config{Listener: w.net, Radio: w.radio, Credentials: map[string]string{"signum": "secret", "bank": "money"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.smsc.Close)
		w.bind()
		other := &inbox{}
		c, err := smpp.NewClient(smpp.ClientConfig{Addr: "smsc:2775", SystemID: "bank", Password: "money", Dial: w.net.dial, Deliver: other.deliver})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = c.Run(t.Context()) }()
		synctest.Wait()
		for n := range byte(10) {
			m := numbered(n)
			m.RegisteredDelivery = 1
			if _, err := w.send(m); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		if a, b := len(w.inbox.all()), len(other.all()); a != 10 || b != 0 {
			t.Errorf("%d and %d receipts", a, b)
		}
		for n := range byte(10) { // messages from phones go to both in turn
			w.fromPhone(n)
		}
		time.Sleep(time.Second)
		if a, b := len(w.inbox.all()), len(other.all()); a != 15 || b != 5 {
			t.Errorf("%d and %d after the phone's", a, b)
		}
	})
}

// A sender learns the id of its message before the receipt arrives, no matter how fast
// the phone is.
func TestReceiptAfterResponse(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(32)) // threads that overtake each other
	s, _ := onTCP(t, smsc.Config{})
	var mu sync.Mutex
	known, early := make(map[string]bool), 0
	receipts := make(chan struct{}, 1000)
	c, err := smpp.NewClient(smpp.ClientConfig{
		Addr: s.Addr(), SystemID: "signum", Password: "secret", Window: 10,
		Deliver: func(context.Context, *smpp.DeliverSM, *event.Event) smpp.Status {
			receipts <- struct{}{}
			return smpp.StatusOK
		},
		Trace: func(sent bool, p smpp.PDU, _ time.Time) { // in the order of transmission
			mu.Lock()
			defer mu.Unlock()
			switch b := p.Body.(type) {
			case *smpp.SubmitSMResp:
				known[b.MessageID] = true
			case *smpp.DeliverSM:
				if r, err := smpp.ParseReceipt(b); err != nil || !known[r.MessageID] {
					early++
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = c.Run(ctx) }()
	defer func() { stop(); <-ran }()
	const messages = 1000
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			for range messages / 10 {
				m := numbered(1)
				m.RegisteredDelivery, m.Dest.Addr = 1, m.Dest.Addr+fmt.Sprint(n)
				if _, err := c.Submit(ctx, m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for range messages {
		select {
		case <-receipts:
		case <-time.After(time.Minute):
			t.Fatal("a receipt is missing")
		}
	}
	if mu.Lock(); early > 0 {
		t.Errorf("%d of %d receipts came before the response", early, messages)
	}
	mu.Unlock()
}

// With AnswerSender, a phone answers the ESME that asked; otherwise any, in turn.
func TestAnswerSender(t *testing.T) {
	for _, sender := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, smsc.Config{AnswerSender: sender})
			first, mine := w.esme, w.inbox
			w.inbox = &inbox{}
			w.as("other")
			other := w.inbox
			if _, err := first.Submit(t.Context(), binary(smpp.ModeTransaction)); err != nil {
				t.Fatal(err)
			}
			for n := range byte(6) {
				w.fromPhone(n)
			}
			synctest.Wait()
			want := 3
			if sender {
				want = 0
			}
			if a, b := len(mine.all()), len(other.all()); b != want || a+b != 6 {
				t.Errorf("sender %v: %d messages go to the one that asked, %d to the other", sender, a, b)
			}
		})
	}
}

func TestParseFaults(t *testing.T) {
	for text, want := range map[string]smsc.Faults{
		"":                         {},
		"loss=0.1":                 {Loss: 0.1},
		"duplicate=1,reorder=0.25": {Duplicate: 1, Reorder: 0.25},
		"throttle=0.5,disconnect=0,delay=1s,jitter=1m": {Throttle: 0.5, Delay: time.Second, DelayJitter: time.Minute},
	} {
		if got, err := smsc.ParseFaults(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"loss=2":    "loss must be a number from 0 to 1, such as loss=0.1",
		"loss=NaN":  "loss must be",
		"loss":      "loss must be",
		"reorder=x": "reorder must be",
		"delay=-1s": "delay must be a time of up to 1h0m0s, such as delay=500ms",
		"delay=2h":  "delay must be",
		"los=0.1":   `unknown fault "los"; the faults are loss, duplicate, reorder, throttle, disconnect, delay, jitter`,
		"loss=0.1,": `unknown fault ""`,
	} {
		if _, err := smsc.ParseFaults(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add("loss=0.1,delay=2s")
	f.Add("disconnect=1,jitter=1ms")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := smsc.ParseFaults(text)
		if err == nil && (!(got.Loss >= 0 && got.Loss <= 1) || got.Delay < 0 || got.DelayJitter < 0) {
			t.Errorf("%q: %+v", text, got)
		}
	})
}
