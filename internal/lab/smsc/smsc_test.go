package smsc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

func TestTransactionMode(t *testing.T) {
	away := errors.New("away")
	tests := []struct {
		name   string
		report []byte
		err    error
		want   error
	}{
		{"no report", nil, nil, nil},
		{"acknowledged", report(sms.FailureNone), nil, nil},
		{"unknown", nil, fmt.Errorf("adapter: %w", smsc.ErrUnknown), smpp.StatusInvalidDst},
		{"away", nil, away, smpp.StatusDeliveryFailure},
		{"toolkit busy", report(sms.FailureToolkitBusy), nil, smpp.StatusRxTempError},
		{"memory full", report(sms.FailureMemoryFull), nil, smpp.StatusRxTempError},
		{"data download error", report(sms.FailureDataDownload), nil, smpp.StatusDeliveryFailure},
		{"no report of ours", []byte{0xff}, nil, smpp.StatusDeliveryFailure},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, smsc.Config{})
				w.radio.answers(func(int, string, []byte) ([]byte, error) { return tt.report, tt.err })
				m := binary(smpp.ModeTransaction)
				m.RegisteredDelivery = 1 // has no meaning in this mode
				id, err := w.send(m)
				if !errors.Is(err, tt.want) || (id == "") != (tt.want != nil) {
					t.Errorf("id %q, error %v, want %v", id, err, tt.want)
				}
				time.Sleep(time.Hour)
				got := w.radio.arrivals()
				if len(got) != 1 || len(w.inbox.all()) != 0 {
					t.Fatalf("%d attempts, %d receipts", len(got), len(w.inbox.all()))
				}
				d := got[0]
				if d.msisdn != phoneNumber || !d.UDHI || d.PID != 0x7f || d.DCS != 0xf6 || !bytes.Equal(d.UD, m.ShortMessage) ||
					d.From != (sms.Address{NPI: 1, Digits: "555"}) || !d.Time.Equal(w.radio.start) {
					t.Errorf("%+v", d.Deliver)
				}
			})
		})
	}
}

// A radio network that takes too long counts as failed before the ESME gives up.
func TestSlowRadio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		w.radio.wait = time.Hour
		if _, err := w.send(binary(smpp.ModeTransaction)); !errors.Is(err, smpp.StatusDeliveryFailure) || time.Since(w.radio.start) != smsc.DefaultRadioTimeout {
			t.Errorf("after %v: %v", time.Since(w.radio.start), err)
		}
	})
}

func TestStoreAndForward(t *testing.T) {
	busyUntil := func(n int) func(int, string, []byte) ([]byte, error) {
		return func(k int, _ string, _ []byte) ([]byte, error) {
			if k < n {
				return report(sms.FailureToolkitBusy), nil
			}
			return report(sms.FailureNone), nil
		}
	}
	never := func(err error) func(int, string, []byte) ([]byte, error) {
		return func(int, string, []byte) ([]byte, error) { return nil, err }
	}
	tests := []struct {
		name     string
		answer   func(int, string, []byte) ([]byte, error)
		ask      byte
		attempts int
		receipt  smpp.State // 0: none
	}{
		{"at once", nil, 1, 1, smpp.StateDelivered},
		{"nothing asked", nil, 0, 1, 0},
		{"failures asked, delivered", nil, 2, 1, 0},
		{"busy twice", busyUntil(3), 1, 3, smpp.StateDelivered},
		{"busy for a minute", busyUntil(100), 1, 12, smpp.StateExpired},
		{"away", never(errors.New("away")), 2, 12, smpp.StateExpired},
		{"unknown", never(smsc.ErrUnknown), 1, 1, smpp.StateUndeliverable},
		{"unknown, nothing asked", never(smsc.ErrUnknown), 0, 1, 0},
		{"refused", func(int, string, []byte) ([]byte, error) { return report(sms.FailureDataDownload), nil }, 2, 1, smpp.StateUndeliverable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, smsc.Config{})
				w.radio.answers(tt.answer)
				m := binary(smpp.ModeDefault)
				m.RegisteredDelivery = tt.ask
				id, err := w.send(m)
				if err != nil || id == "" || time.Since(w.radio.start) > 0 {
					t.Fatalf("id %q, error %v after %v", id, err, time.Since(w.radio.start))
				}
				time.Sleep(10 * time.Minute)
				got := w.radio.arrivals()
				if len(got) != tt.attempts {
					t.Errorf("%d attempts, want %d", len(got), tt.attempts)
				}
				for i, a := range got {
					if a.at != time.Duration(i)*smsc.DefaultRetryPause {
						t.Errorf("attempt %d after %v", i, a.at)
					}
				}
				w.checkReceipt(id, tt.receipt)
				if c := w.smsc.Counters(smsc.ToPhone); c.Taken != 1 || c.Waiting != 0 || c.Attempts != uint64(tt.attempts) || c.Delivered+c.Refused+c.Expired != 1 {
					t.Errorf("%+v", c)
				}
			})
		})
	}
}

func (w *world) checkReceipt(id string, want smpp.State) {
	w.t.Helper()
	got := w.inbox.all()
	if want == 0 {
		if len(got) != 0 {
			w.t.Errorf("unasked: %s", got[0].ShortMessage)
		}
		return
	}
	if len(got) != 1 {
		w.t.Fatalf("%d receipts", len(got))
	}
	r, err := smpp.ParseReceipt(got[0])
	if err != nil || r.MessageID != id || r.State != want || got[0].Source != phone || got[0].Dest != service ||
		!strings.Contains(string(got[0].ShortMessage), "stat:"+want.String()+" ") {
		w.t.Errorf("%+v, %v: %s", r, err, got[0].ShortMessage)
	}
}

func TestDatagramMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		w.radio.answers(func(int, string, []byte) ([]byte, error) { return nil, errors.New("away") })
		m := binary(smpp.ModeDatagram)
		m.RegisteredDelivery = 1
		if _, err := w.send(m); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if n := len(w.radio.arrivals()); n != 1 || len(w.inbox.all()) != 0 {
			t.Errorf("%d attempts, %d receipts", n, len(w.inbox.all()))
		}
	})
}

// Messages to one phone keep their order and are delivered one at a time; those to
// other phones do not wait for them.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		w.radio.wait = time.Second
		for n := range byte(10) {
			if _, err := w.send(numbered(n)); err != nil {
				t.Fatal(err)
			}
		}
		other := numbered(99)
		other.Dest.Addr = "41790000000"
		if _, err := w.send(other); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		var order []byte
		for _, a := range w.radio.arrivals() {
			if a.msisdn != phoneNumber {
				if a.at != time.Second {
					t.Errorf("the other phone waited %v", a.at)
				}
				continue
			}
			order = append(order, last(a.Deliver))
			if a.at != time.Duration(len(order))*time.Second {
				t.Errorf("message %d after %v", last(a.Deliver), a.at)
			}
		}
		if !bytes.Equal(order, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("order %v", order)
		}
	})
}

func TestRefusedMessages(t *testing.T) {
	tests := []struct {
		name   string
		change func(*smpp.SubmitSM)
		want   smpp.Status
	}{
		{"no number", func(m *smpp.SubmitSM) { m.Dest.Addr = "" }, smpp.StatusInvalidDst},
		{"a name", func(m *smpp.SubmitSM) { m.Dest = smpp.Address{TON: 5, Addr: "Anna"} }, smpp.StatusInvalidDst},
		{"a national number", func(m *smpp.SubmitSM) { m.Dest.TON = 2 }, smpp.StatusInvalidDst},
		{"letters", func(m *smpp.SubmitSM) { m.Dest.Addr = "41x" }, smpp.StatusInvalidDst},
		{"scheduled", func(m *smpp.SubmitSM) { m.Schedule = smpp.RelativeTime(time.Hour) }, smpp.StatusInvSchedule},
		{"validity in words", func(m *smpp.SubmitSM) { m.Validity = "tomorrow at noon" }, smpp.StatusInvExpiry},
		{"validity over", func(m *smpp.SubmitSM) { m.Validity = "990101000000000+" }, smpp.StatusOK},
		{"validity over", func(m *smpp.SubmitSM) { m.Validity = smpp.AbsoluteTime(time.Now()) }, smpp.StatusInvExpiry},
		{"141 octets", func(m *smpp.SubmitSM) { m.ShortMessage = append([]byte{2, 0x70, 0}, make([]byte, 138)...) }, smpp.StatusInvMsgLen},
		{"140 octets", func(m *smpp.SubmitSM) { m.ShortMessage = append([]byte{2, 0x70, 0}, make([]byte, 137)...) }, smpp.StatusOK},
		{"a header that is not one", func(m *smpp.SubmitSM) { m.ShortMessage = []byte{9, 1, 2} }, smpp.StatusInvESMClass},
		{"a septet of eight bits", func(m *smpp.SubmitSM) { m.ESMClass, m.DataCoding, m.ShortMessage = 0, 0, []byte("h\xe9") }, smpp.StatusInvMsgLen},
		{"161 septets", func(m *smpp.SubmitSM) {
			m.ESMClass, m.DataCoding, m.ShortMessage = 0, 0, bytes.Repeat([]byte("a"), 161)
		}, smpp.StatusInvMsgLen},
		{"a source of a type unheard of", func(m *smpp.SubmitSM) { m.Source.TON = 200 }, smpp.StatusInvSrc},
		{"a source with letters", func(m *smpp.SubmitSM) { m.Source.Addr = "hello" }, smpp.StatusInvSrc},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, smsc.Config{})
				m := binary(smpp.ModeDefault)
				tt.change(m)
				_, err := w.send(m)
				if st, _ := errors.AsType[smpp.Status](err); st != tt.want {
					t.Errorf("%v, want %v", err, tt.want)
				}
				synctest.Wait()
				if n := len(w.radio.arrivals()); (n == 1) != (tt.want == smpp.StatusOK) {
					t.Errorf("%d attempts", n)
				}
			})
		})
	}
}

func TestAuthentication(t *testing.T) {
	s, err := smsc.New(smsc.Config{Radio: &radio{}, Credentials: map[string]string{"signum": "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, tt := range []struct {
		id, password string
		bound        bool
	}{{"signum", "secret", true}, {"signum", "", false}, {"signum", "secrets", false}, {"", "", false}, {"other", "secret", false}} {
		c, err := smpp.NewClient(smpp.ClientConfig{Addr: s.Addr(), SystemID: tt.id, Password: tt.password})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if !tt.bound {
			ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
		}
		ran := make(chan struct{})
		run, stop := context.WithCancel(context.Background())
		go func() { defer close(ran); _ = c.Run(run) }()
		_, err = c.Submit(ctx, binary(smpp.ModeTransaction))
		if (err == nil) != tt.bound || err != nil && !errors.Is(err, smpp.ErrUnbound) {
			t.Errorf("%q %q: %v", tt.id, tt.password, err)
		}
		stop()
		cancel()
		<-ran
	}
}

func TestCloseAndRun(t *testing.T) {
	if _, err := smsc.New(smsc.Config{}); err == nil {
		t.Error("without a radio network")
	}
	if _, err := smsc.New(smsc.Config{Radio: &radio{}, Addr: "127.0.0.1:nonsense"}); err == nil {
		t.Error("without a port")
	}
	s, err := smsc.New(smsc.Config{Radio: &radio{}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range byte(5) { // no ESME is bound
		if err := s.Submit(phoneNumber, fromPhone(t, n)); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	s.Close()
	if err := s.Submit(phoneNumber, fromPhone(t, 1)); err != smsc.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{MaxWaiting: 3})
		w.radio.answers(func(int, string, []byte) ([]byte, error) { return nil, errors.New("away") })
		for n := range byte(3) {
			if _, err := w.send(numbered(n)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := w.esme.Submit(ctx, numbered(3)); !errors.Is(err, smpp.StatusMsgQFull) {
			t.Errorf("the fourth: %v", err)
		}
		w.stop()
		var err error
		for n := range byte(4) {
			err = w.smsc.Submit(phoneNumber, fromPhone(t, n))
		}
		if err != smsc.ErrCongested {
			t.Errorf("the fourth of a phone: %v", err)
		}
	})
}
