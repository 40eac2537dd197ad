package phonetest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestActions is every action, as an answer to each operation.
func TestActions(t *testing.T) {
	for _, tt := range []struct {
		do        phonetest.Action
		sign      signum.Code // 0: a signature
		activate  signum.Code // 0: a key and its proof
		receipt   signum.ReceiptResult
		shown     bool // by a request to sign
		spoiled   bool // signature and proof do not verify
		noAnswer  bool
		sendFails bool
	}{
		{do: phonetest.Approve, receipt: signum.ReceiptAccepted, shown: true},
		{do: phonetest.Cancel, sign: signum.UserCancel, activate: signum.UserCancel, receipt: signum.ReceiptCancelled, shown: true},
		{do: phonetest.WrongPIN, sign: signum.PINBlocked, activate: signum.UserCancel, receipt: signum.ReceiptAccepted, shown: true},
		{do: phonetest.Blocked, sign: signum.PINBlocked, receipt: signum.ReceiptAccepted},
		{do: phonetest.Silent, shown: true, noAnswer: true},
		{do: phonetest.BadSignature, receipt: signum.ReceiptAccepted, shown: true, spoiled: true},
		{do: phonetest.Unreachable, sendFails: true},
		{do: phonetest.NoKey, sign: signum.NoKeyFound, receipt: signum.ReceiptAccepted},
		{do: phonetest.TimeOut, receipt: signum.ReceiptTimedOut, shown: true},
	} {
		for op, name := range map[mssp.DeviceOp]string{mssp.OpSign: "sign", mssp.OpActivate: "activate", mssp.OpDisplay: "display"} {
			t.Run(tt.do.String()+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, e := setup(t)
					d, err := p.Device("sim")
					if err != nil {
						t.Fatal(err)
					}
					if err := p.Behave(anna, tt.do); err != nil {
						t.Fatal(err)
					}
					r := request(op, "h1", signum.SIM)
					err = p.Send(t.Context(), r)
					if tt.sendFails {
						unreachable(t, err)
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					got := e.took()
					shown := slices.Contains(e.reports, "shown h1")
					if want := tt.shown || op != mssp.OpSign; shown != want {
						t.Errorf("shown: %v, want %v", shown, want)
					}
					if tt.noAnswer {
						if len(got) != 0 {
							t.Errorf("answered %+v", got)
						}
						if on, ok := d.Shown(); !ok || on.TransID != "h1" {
							t.Errorf("on the screen: %+v, %v", on, ok)
						}
						return
					}
					if len(got) != 1 {
						t.Fatalf("%d answers, want 1", len(got))
					}
					a := got[0]
					if a.Op != op || a.TransID != "h1" || a.DeviceID != "sim" {
						t.Errorf("got %+v", a)
					}
					switch op {
					case mssp.OpSign:
						if code(a) != tt.sign {
							t.Fatalf("code %d, want %d", code(a), tt.sign)
						}
						if tt.sign == 0 && verifies(d.Key().Public(), r.SignedAttrs, a.Signature) == tt.spoiled {
							t.Errorf("the signature verifies: %v", tt.spoiled)
						}
					case mssp.OpActivate:
						if code(a) != tt.activate {
							t.Fatalf("code %d, want %d", code(a), tt.activate)
						}
						if tt.activate == 0 {
							checkActivation(t, a, tt.spoiled)
						}
					case mssp.OpDisplay:
						if a.Receipt != tt.receipt || a.Fault != nil {
							t.Errorf("got %s %v, want %s", a.Receipt, a.Fault, tt.receipt)
						}
					}
					if _, ok := d.Shown(); ok {
						t.Error("the request is still on the screen")
					}
				})
			})
		}
	}
}

func checkActivation(t *testing.T, a mssp.DeviceAnswer, spoiled bool) {
	t.Helper()
	key, err := x509.ParsePKIXPublicKey(a.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if verifies(key, mssp.ActivationProof(a.TransID, a.PublicKey), a.Proof) == spoiled {
		t.Errorf("the proof verifies: %v", spoiled)
	}
}

func TestKeyTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		ec, err := p.Device("sim")
		if err != nil {
			t.Fatal(err)
		}
		if key, ok := ec.Key().(*ecdsa.PrivateKey); !ok || key.Curve != elliptic.P256() {
			t.Errorf("the key is %T, want one on P-256", ec.Key())
		}
		rsa := add(t, p, phonetest.Spec{ID: "rsa", MSISDN: anna, Method: signum.SIM, KeyType: signum.RSA})
		r := request(mssp.OpSign, "h1", signum.SIM, func(r *mssp.DeviceRequest) { r.DeviceID, r.KeyType = "rsa", signum.RSA })
		send(t, p, r)
		if a := one(t, e); !verifies(rsa.Key().Public(), r.SignedAttrs, a.Signature) {
			t.Errorf("the RSA signature does not verify: %+v", a)
		}
		send(t, p, request(mssp.OpSign, "h2", signum.SIM, func(r *mssp.DeviceRequest) { r.KeyType = signum.RSA }))
		if a := one(t, e); code(a) != signum.NoKeyFound {
			t.Errorf("another type of key than the device has: %+v", a)
		}
	})
}

// TestBlank is a SIM without a key, which an activation gives it.
func TestBlank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		d := add(t, p, phonetest.Spec{ID: "blank", MSISDN: anna, Method: signum.SIM, Blank: true})
		blank := func(r *mssp.DeviceRequest) { r.DeviceID, r.KeyType = "blank", signum.EC }
		if d.Key() != nil {
			t.Fatal("a blank SIM has a key")
		}
		send(t, p, request(mssp.OpSign, "h1", signum.SIM, blank))
		if a := one(t, e); code(a) != signum.NoKeyFound {
			t.Errorf("before: %+v", a)
		}
		send(t, p, request(mssp.OpActivate, "h2", signum.SIM, blank))
		activated := one(t, e)
		checkActivation(t, activated, false)
		if !slices.Contains(e.reports, "activated blank") {
			t.Errorf("nothing tells of the activation: %v", e.reports)
		}
		send(t, p, request(mssp.OpSign, "h2", signum.SIM, blank))
		if a := one(t, e); code(a) != 0 || len(a.Signature) == 0 {
			t.Errorf("after: %+v", a)
		}
		send(t, p, request(mssp.OpActivate, "h3", signum.SIM, blank))
		if again := one(t, e); !bytes.Equal(again.PublicKey, activated.PublicKey) {
			t.Error("a second activation made another key")
		}
	})
}

// TestWhatIsSignedIsShown: attributes of another text than the request shows are
// not signed.
func TestWhatIsSignedIsShown(t *testing.T) {
	approval := `{"type":"Payment","dtbd":[{"key":"To","value":"Alice"}]}`
	for name, tt := range map[string]struct {
		change func(*mssp.DeviceRequest)
		want   signum.Code
	}{
		"the same":           {func(*mssp.DeviceRequest) {}, 0},
		"another text":       {func(r *mssp.DeviceRequest) { r.Text += "!" }, signum.InternalError},
		"no attributes":      {func(r *mssp.DeviceRequest) { r.SignedAttrs = nil }, signum.InternalError},
		"no approval":        {func(r *mssp.DeviceRequest) { r.MimeType = signum.MimeTxnApproval }, signum.InternalError},
		"an approval's form": {func(r *mssp.DeviceRequest) { r.MimeType, r.Text = signum.MimeTxnApproval, approval }, signum.InternalError},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, e := setup(t)
				send(t, p, request(mssp.OpSign, "h1", signum.App, tt.change))
				if a := one(t, e); code(a) != tt.want {
					t.Errorf("got %+v, want %d", a, tt.want)
				}
			})
		})
	}
}

// TestAskedOnce: however often a request is handed over, the user is asked once.
func TestAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		r := request(mssp.OpSign, "h1", signum.SIM)
		send(t, p, r)
		first := one(t, e)
		send(t, p, r)
		if again := one(t, e); !bytes.Equal(again.Signature, first.Signature) {
			t.Error("the request was signed twice")
		}
		if err := p.Behave(anna, phonetest.Silent); err != nil {
			t.Fatal(err)
		}
		r = request(mssp.OpSign, "h2", signum.SIM)
		send(t, p, r)
		send(t, p, r)
		if got := e.took(); len(got) != 0 {
			t.Errorf("answered %+v", got)
		}
		if want := []string{"shown h1", "shown h2"}; !slices.Equal(e.reports, want) {
			t.Errorf("got %v, want %v", e.reports, want)
		}
	})
}

// TestBusy: a SIM that shows a request refuses the next; an App replaces it, but
// never a request to sign by a receipt.
func TestBusy(t *testing.T) {
	for _, tt := range []struct {
		method signum.Method
		op     mssp.DeviceOp // that comes second
		want   signum.Code   // 0: it is on the screen instead
	}{
		{signum.SIM, mssp.OpSign, signum.PBSignatureProcess},
		{signum.SIM, mssp.OpDisplay, signum.PBSignatureProcess},
		{signum.App, mssp.OpSign, 0},
		{signum.App, mssp.OpDisplay, signum.PBSignatureProcess},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, e := setup(t)
			if err := p.Behave(anna, phonetest.Silent); err != nil {
				t.Fatal(err)
			}
			send(t, p, request(mssp.OpSign, "h1", tt.method))
			second := request(tt.op, "h2", tt.method)
			send(t, p, second)
			d, err := p.Device(second.DeviceID)
			if err != nil {
				t.Fatal(err)
			}
			on, _ := d.Shown()
			if tt.want == 0 {
				if got := e.took(); len(got) != 0 || on.TransID != "h2" {
					t.Errorf("%s, %d: answered %+v, shows %s", tt.method, tt.op, got, on.TransID)
				}
				return
			}
			if a := one(t, e); code(a) != tt.want || a.TransID != "h2" || on.TransID != "h1" {
				t.Errorf("%s, %d: answered %+v, shows %s", tt.method, tt.op, a, on.TransID)
			}
		})
	}
}

// TestExpiry: a request whose time is over is off the screen, and one that comes
// too late is not shown.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		if err := p.Behave(anna, phonetest.Silent); err != nil {
			t.Fatal(err)
		}
		r := request(mssp.OpSign, "h1", signum.SIM)
		send(t, p, r)
		time.Sleep(80 * time.Second) // of the bubble
		d, err := p.Device("sim")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := d.Shown(); ok {
			t.Error("an expired request is on the screen")
		}
		if err := p.Act("sim", "h1", phonetest.Approve); !errors.Is(err, phonetest.ErrNotShown) {
			t.Errorf("got %v", err)
		}
		send(t, p, r)
		if _, ok := d.Shown(); ok || len(e.took()) != 0 {
			t.Error("a request that came too late was shown or answered")
		}
	})
}

func TestChoice(t *testing.T) {
	for _, tt := range []struct {
		choose, want string // empty: 401
	}{
		{"", "12"},
		{"56", "56"},
		{"99", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, e := setup(t)
			d, err := p.Device("app")
			if err != nil {
				t.Fatal(err)
			}
			d.Choose(tt.choose)
			send(t, p, request(mssp.OpSign, "h1", signum.App, func(r *mssp.DeviceRequest) { r.Choices = []string{"12", "34", "56"} }))
			a := one(t, e)
			if a.Choice != tt.want || (code(a) == signum.UserCancel) != (tt.want == "") {
				t.Errorf("chose %q: %+v, want %q", tt.choose, a, tt.want)
			}
		})
	}
}
