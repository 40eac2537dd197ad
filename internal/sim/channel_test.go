package sim

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

// run runs a test in a world of its own, in a synctest bubble.
func run(t *testing.T, f func(w *world), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		defer func() { w.ch.Close() }()
		f(w)
		if t.Failed() {
			t.Log(w.dump())
		}
	})
}

// pass lets time pass and waits until everything that is due is done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const text = "Pay 100 € to Bob?"

func TestSign(t *testing.T) {
	for name, tt := range map[string]struct {
		rsa         bool
		text        string
		sent, heard int // parts of the request; messages from the card, proof included
	}{
		"EC":            {false, text, 1, 2},
		"RSA":           {true, text, 1, 4},
		"two parts":     {false, strings.Repeat("x", 160), 2, 2},
		"three parts":   {false, strings.Repeat("x", 239), 3, 2},
		"UCS2":          {false, "Заплатить 100 рублей?", 2, 2},
		"UCS2, longest": {false, strings.Repeat("ж", 119), 3, 2},
		"extension":     {false, "[€] {x} ~ \\ | ^", 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				if tt.rsa {
					f.key = rsaKey
				}
				r := w.request(f, mssp.OpSign, "_1", tt.text)
				w.ask(r)
				pass(time.Minute)
				a := w.one()
				if a.Fault != nil || !verify(f.key.Public(), r.SignedAttrs, a.Signature) {
					t.Fatalf("%+v, fault %v", a, a.Fault)
				}
				if took := w.engine.at[0].Sub(r.Created); took != f.think {
					t.Errorf("took %s, the user %s", took, f.think)
				}
				if f.asked() != 1 || w.net.count() != tt.sent || len(w.net.status) != tt.heard {
					t.Errorf("asked %d times, %d parts sent, %d heard", f.asked(), w.net.count(), len(w.net.status))
				}
				if s := w.ch.Stats(); s.Replies != 1 || s.Answers != 1 || s.PoROK != 1 || s.Attempts != 1 {
					t.Errorf("%+v", s)
				}
				w.empty()
			})
		})
	}
}

// The fields of a submit_sm.
func TestSubmission(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(0)
		m := *w.net.sent[0]
		ud := m.ShortMessage
		m.ShortMessage = nil
		want := smpp.SubmitSM{
			Source: service, Dest: smpp.Address{TON: 1, NPI: 1, Addr: f.msisdn[1:]},
			ESMClass: 0x42, ProtocolID: 0x7f, DataCoding: 0xf6, RegisteredDelivery: 1, Validity: "000000000117000R",
		}
		if !equal(m, want) {
			t.Errorf("%+v\nwant %+v", m, want)
		}
		// UDH 70; CHL 21, SPI 16 39, key set 3 with AES, TAR.
		if got := hexOf(ud[:3]) + " " + hexOf(ud[5:13]); got != "027000 151639323253474D" {
			t.Errorf("header %s", got)
		}
		r := f.requests()[0]
		if r.Op != applet.Sign || r.ID != applet.TransactionID("_1") || r.KeyID != 1 || r.Algorithm != applet.EC ||
			r.Lang != "en" || r.Timeout != 75*time.Second || r.CertHash != certHash {
			t.Errorf("%+v", r)
		}
	})
}

func equal(a, b smpp.SubmitSM) bool {
	return a.Source == b.Source && a.Dest == b.Dest && a.ESMClass == b.ESMClass && a.ProtocolID == b.ProtocolID &&
		a.DataCoding == b.DataCoding && a.RegisteredDelivery == b.RegisteredDelivery && a.Validity == b.Validity && a.ServiceType == b.ServiceType
}

// Every outcome of a card, for every operation.
func TestOutcomes(t *testing.T) {
	type want struct {
		code    signum.Code // 0: no fault
		receipt signum.ReceiptResult
	}
	results := map[applet.Result]map[mssp.DeviceOp]want{
		applet.OK:         {mssp.OpSign: {}, mssp.OpActivate: {}, mssp.OpDisplay: {receipt: signum.ReceiptAccepted}},
		applet.UserCancel: {mssp.OpSign: {code: 401}, mssp.OpActivate: {code: 401}, mssp.OpDisplay: {receipt: signum.ReceiptCancelled}},
		applet.NoAnswer:   {mssp.OpSign: {code: 208}, mssp.OpActivate: {code: 208}, mssp.OpDisplay: {receipt: signum.ReceiptTimedOut}},
		applet.PINBlocked: {mssp.OpSign: {code: 402}, mssp.OpActivate: {code: 402}, mssp.OpDisplay: {code: 402}},
		applet.NoKey:      {mssp.OpSign: {code: 404}, mssp.OpActivate: {code: 404}, mssp.OpDisplay: {code: 404}},
		applet.Refused:    {mssp.OpSign: {code: 900}, mssp.OpActivate: {code: 900}, mssp.OpDisplay: {code: 900}},
		applet.Internal:   {mssp.OpSign: {code: 900}, mssp.OpActivate: {code: 900}, mssp.OpDisplay: {code: 900}},
		99:                {mssp.OpSign: {code: 900}, mssp.OpActivate: {code: 900}, mssp.OpDisplay: {code: 900}},
	}
	for result, ops := range results {
		for op, want := range ops {
			t.Run(result.String()+" "+applet.Op(firstStep(op)).String(), func(t *testing.T) {
				run(t, func(w *world) {
					f := w.card(ecKey)
					f.result = func(*applet.Request) applet.Result { return result }
					w.ask(w.request(f, op, "_1", text))
					pass(time.Minute)
					a := w.one()
					var code signum.Code
					if a.Fault != nil {
						code = a.Fault.Code
					}
					if code != want.code || a.Receipt != want.receipt || a.Op != op || a.TransID != "_1" || a.DeviceID != f.device {
						t.Errorf("%+v, fault %v; want %+v", a, a.Fault, want)
					}
					if code == 208 && a.Fault.Detail != signum.DetailTimeout {
						t.Errorf("detail %q", a.Fault.Detail)
					}
					w.empty()
				})
			})
		}
	}
}

func TestActivation(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"EC": ecKey, "RSA": rsaKey} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(key)
				w.ask(w.request(f, mssp.OpActivate, "_1", ""))
				pass(time.Minute)
				a := w.one()
				if !verify(f.key.Public(), mssp.ActivationProof("_1", a.PublicKey), a.Proof) {
					t.Errorf("%+v", a)
				}
				var ops []applet.Op
				for _, r := range f.requests() {
					ops = append(ops, r.Op)
				}
				if !slices.Equal(ops, []applet.Op{applet.SetPIN, applet.GenKey}) {
					t.Errorf("%v", ops)
				}
				w.empty()
			})
		})
	}
}

// An activation leads to a signature in the same transaction, which the engine
// requests while it handles the answer.
func TestActivationThenSignature(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		sign := w.request(f, mssp.OpSign, "_1", text)
		w.engine.onAnswer = func(a mssp.DeviceAnswer) {
			if a.Op == mssp.OpActivate {
				w.engine.pending[f.device] = append(w.engine.pending[f.device], sign)
				if err := w.ch.Send(ctx, sign); err != nil {
					t.Error(err)
				}
			}
		}
		w.ask(w.request(f, mssp.OpActivate, "_1", ""))
		pass(time.Minute)
		all := w.engine.answers()
		if len(all) != 2 || !verify(f.key.Public(), sign.SignedAttrs, all[1].Signature) {
			t.Errorf("%+v", all)
		}
		w.empty()
	})
}

func TestEncryptedReceipt(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(rsaKey)
		sealed := make([]byte, 256)
		r := w.request(f, mssp.OpDisplay, "_1", base64.StdEncoding.EncodeToString(sealed))
		r.MimeType = signum.MimeRSAMessage
		w.ask(r)
		pass(time.Minute)
		if a := w.one(); a.Receipt != signum.ReceiptAccepted {
			t.Errorf("%+v", a)
		}
		if r := f.requests()[0]; len(r.Sealed) != 256 || r.Timeout != signum.ReceiptShown {
			t.Errorf("%+v", r)
		}
	})
}

// A request for which the card would sign something else is refused, and nothing is
// sent.
func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*mssp.DeviceRequest){
		"another text":  func(r *mssp.DeviceRequest) { r.Text += "!" },
		"other bytes":   func(r *mssp.DeviceRequest) { r.SignedAttrs[40] ^= 1 },
		"no attributes": func(r *mssp.DeviceRequest) { r.SignedAttrs = nil },
		"no text":       func(r *mssp.DeviceRequest) { r.Text = "" },
		"too long":      func(r *mssp.DeviceRequest) { r.Text = strings.Repeat("ж", 300) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				r := w.request(f, mssp.OpSign, "_1", text)
				change(&r)
				if err := w.ch.Send(ctx, r); !errors.Is(err, mssp.ErrRefused) || errors.Is(err, mssp.ErrUnreachable) {
					t.Errorf("Send: %v, want ErrRefused", err)
				}
				pass(time.Second)
				if w.net.count() != 0 || w.store.takes != 0 {
					t.Error("it was sent")
				}
				w.empty()
			})
		})
	}
}

// What Send refuses at once: a subscriber without an active card is unreachable (209),
// everything else is a failure of the service (900).
func TestNotTaken(t *testing.T) {
	for name, tt := range map[string]struct {
		change      func(w *world, r *mssp.DeviceRequest)
		unreachable bool
	}{
		"blocked":       {func(w *world, r *mssp.DeviceRequest) { w.store.cards[r.MSISDN].State = mssp.CardBlocked }, true},
		"another":       {func(w *world, r *mssp.DeviceRequest) { r.DeviceID = "other" }, true},
		"unknown":       {func(w *world, r *mssp.DeviceRequest) { r.MSISDN = "+41790000000" }, true},
		"store":         {func(w *world, r *mssp.DeviceRequest) { w.store.fail = errStore }, false},
		"not connected": {func(w *world, r *mssp.DeviceRequest) { w.ch.answerer = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				r := w.request(w.card(ecKey), mssp.OpSign, "_1", text)
				tt.change(w, &r)
				err := w.ch.Send(ctx, r)
				if err == nil || errors.Is(err, mssp.ErrUnreachable) != tt.unreachable || errors.Is(err, mssp.ErrRefused) {
					t.Errorf("Send: %v; unreachable: want %t", err, tt.unreachable)
				}
				pass(time.Minute)
				if w.net.count() != 0 {
					t.Error("it was sent")
				}
				w.empty()
			})
		})
	}
}

// A card that is blocked or swapped between two attempts gets no second one.
func TestCardGoesMeanwhile(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(time.Second)
		w.store.change(f.msisdn, func(c *mssp.Card) { c.State = mssp.CardBlocked })
		pass(10 * time.Second)
		w.code(signum.OTAError)
		if w.net.count() != 1 {
			t.Errorf("%d sent", w.net.count())
		}
		w.empty()
	})
}

func TestCancel(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(time.Second)
		w.ch.Cancel(ctx, withdrawal("other", "_1"))
		if w.ch.Stats().Pending != 1 {
			t.Error("cancelled by another device")
		}
		w.engine.ends()
		w.ch.Cancel(ctx, withdrawal(f.device, "_1"))
		w.empty()
		pass(time.Minute)
		if len(w.engine.answers()) != 0 || w.ch.Stats().Late != 1 || w.net.count() != 1 {
			t.Errorf("%+v, %d sent", w.ch.Stats(), w.net.count())
		}
		if st := w.net.lastStatus(); st != smpp.StatusOK {
			t.Errorf("the late reply was answered with %s", st)
		}
	})
}

// The same request again changes nothing.
func TestSendTwice(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		for range 3 {
			if err := w.ch.Send(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Minute)
		w.one()
		if w.net.count() != 1 || f.asked() != 1 {
			t.Errorf("%d sent, asked %d times", w.net.count(), f.asked())
		}
	})
}

// After Close nothing is accepted, and nothing is lost.
func TestClosed(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(time.Second)
		w.ch.Close()
		if err := w.ch.Send(ctx, r); err != nil {
			t.Error(err)
		}
		pass(5 * time.Second)
		if st := w.net.lastStatus(); st != smpp.StatusRxTempError {
			t.Errorf("a reply was answered with %s", st)
		}
		w.start()
		pass(5 * time.Second)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		w.empty()
	})
}

func TestLocation(t *testing.T) {
	home := &mssp.Location{Country: "CH", DeviceConfidence: 1}
	for name, tt := range map[string]struct {
		after time.Duration // of the network
		err   error
		want  *mssp.Location
		took  time.Duration
	}{
		"faster than the user": {time.Second, nil, home, 2 * time.Second},
		"slower":               {2500 * time.Millisecond, nil, home, 2500 * time.Millisecond},
		"not at all":           {time.Hour, nil, nil, 3 * time.Second},
		"error":                {0, errors.New("not there"), nil, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				f.think = 2 * time.Second
				r := w.request(f, mssp.OpSign, "_1", text)
				r.Locate = true
				w.ask(r)
				pass(time.Minute)
				a := w.one()
				if a.Location != tt.want || a.Fault != nil {
					t.Errorf("%+v", a)
				}
				if took := w.engine.at[0].Sub(r.Created); took != tt.took {
					t.Errorf("took %s", took)
				}
				w.empty()
			}, func(c *Config) {
				c.Locator = func(ctx context.Context, _ string) (*mssp.Location, error) {
					select {
					case <-time.After(tt.after):
						return home, tt.err
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}
			})
		})
	}
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("no Store")
	}
}
