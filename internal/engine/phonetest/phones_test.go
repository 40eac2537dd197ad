package phonetest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

func TestAdd(t *testing.T) {
	p := phonetest.New(phonetest.Config{})
	add(t, p, phonetest.Spec{ID: "a", MSISDN: anna, Method: signum.SIM})
	for _, s := range []phonetest.Spec{
		{ID: "a", MSISDN: anna, Method: signum.App},
		{MSISDN: anna, Method: signum.SIM},
		{ID: "b", Method: signum.SIM},
		{ID: "b", MSISDN: anna},
		{ID: "b", MSISDN: anna, Method: signum.SIM, KeyType: "DSA"},
	} {
		if _, err := p.Add(s); err == nil {
			t.Errorf("%+v was added", s)
		}
	}
	if _, err := p.Device("b"); err == nil {
		t.Error("a device that was refused exists")
	}
	if p.Behave("+41790000000", phonetest.Cancel) == nil || p.Place("+41790000000", nil) == nil {
		t.Error("a user that does not exist was told something")
	}
}

// TestKeysOutlive: the keys of devices outlive their Phones.
func TestKeysOutlive(t *testing.T) {
	var keys phonetest.Keys
	first := add(t, phonetest.New(phonetest.Config{Keys: &keys}), phonetest.Spec{ID: "a", MSISDN: anna, Method: signum.SIM})
	again := phonetest.New(phonetest.Config{Keys: &keys})
	second := add(t, again, phonetest.Spec{ID: "a", MSISDN: anna, Method: signum.SIM})
	other := add(t, again, phonetest.Spec{ID: "b", MSISDN: anna, Method: signum.SIM})
	if first.Key() != second.Key() {
		t.Error("the device has another key")
	}
	if first.Key() == other.Key() {
		t.Error("two devices have one key")
	}
}

func TestSendUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := setup(t)
		for name, change := range map[string]func(*mssp.DeviceRequest){
			"no device":       func(r *mssp.DeviceRequest) { r.DeviceID = "none" },
			"another's":       func(r *mssp.DeviceRequest) { r.MSISDN = "+41791000002" },
			"another method":  func(r *mssp.DeviceRequest) { r.Method = signum.App },
			"nothing of this": func(r *mssp.DeviceRequest) { *r = mssp.DeviceRequest{} },
		} {
			t.Log(name)
			unreachable(t, p.Send(t.Context(), request(mssp.OpSign, "h1", signum.SIM, change)))
		}
		unreachable(t, phonetest.New(phonetest.Config{}).Send(t.Context(), request(mssp.OpSign, "h1", signum.SIM)))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Send(ctx, request(mssp.OpSign, "h1", signum.SIM)); !errors.Is(err, context.Canceled) || errors.Is(err, mssp.ErrUnreachable) {
			t.Errorf("the context is over: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		unreachable(t, p.Send(t.Context(), request(mssp.OpSign, "h1", signum.SIM)))
		unreachable(t, p.SendText(t.Context(), mssp.TextMessage{MSISDN: anna}))
	})
}

// TestAct is a user who acts by hand on what a silent phone shows.
func TestAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		if err := p.Behave(anna, phonetest.Silent); err != nil {
			t.Fatal(err)
		}
		r := request(mssp.OpSign, "h1", signum.SIM)
		send(t, p, r)
		for _, id := range []string{"h2", ""} {
			if err := p.Act("sim", id, phonetest.Approve); !errors.Is(err, phonetest.ErrNotShown) {
				t.Errorf("%q is not shown: %v", id, err)
			}
		}
		if p.Act("none", "h1", phonetest.Approve) == nil {
			t.Error("a device that does not exist acted")
		}
		if err := p.Act("sim", "h1", phonetest.Approve); err != nil {
			t.Fatal(err)
		}
		d, err := p.Device("sim")
		if err != nil {
			t.Fatal(err)
		}
		if a := one(t, e); !verifies(d.Key().Public(), r.SignedAttrs, a.Signature) {
			t.Errorf("got %+v", a)
		}
		if err := p.Act("sim", "h1", phonetest.Approve); !errors.Is(err, phonetest.ErrNotShown) {
			t.Errorf("acted twice: %v", err)
		}

		// Device.Act returns the answer, and sends nothing.
		send(t, p, request(mssp.OpSign, "h2", signum.SIM))
		if a, err := d.Act("h2", phonetest.Cancel); err != nil || code(a) != signum.UserCancel {
			t.Errorf("got %+v, %v", a, err)
		}
		if got := e.took(); len(got) != 0 {
			t.Errorf("sent %+v", got)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		if err := p.Behave(anna, phonetest.Silent); err != nil {
			t.Fatal(err)
		}
		send(t, p, request(mssp.OpSign, "h1", signum.SIM))
		p.Cancel(t.Context(), withdrawal("sim", "h2")) // which has not arrived yet
		p.Cancel(t.Context(), withdrawal("none", "h1"))
		d, err := p.Device("sim")
		if err != nil {
			t.Fatal(err)
		}
		if on, ok := d.Shown(); !ok || on.TransID != "h1" {
			t.Fatalf("shows %+v, %v", on, ok)
		}
		p.Cancel(t.Context(), withdrawal("sim", "h1"))
		for _, id := range []string{"h1", "h2"} {
			send(t, p, request(mssp.OpSign, id, signum.SIM))
			if on, ok := d.Shown(); ok {
				t.Errorf("shows %s, which was withdrawn", on.TransID)
			}
		}
		if got := e.took(); len(got) != 0 {
			t.Errorf("answered %+v", got)
		}
	})
}

// The receipt may be on the screen before the withdrawal of the request that the device
// has answered arrives.
func TestCancelAfterAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		send(t, p, request(mssp.OpSign, "h1", signum.App))
		one(t, e)
		if err := p.Behave(anna, phonetest.Silent); err != nil {
			t.Fatal(err)
		}
		send(t, p, request(mssp.OpDisplay, "h1", signum.App))
		w := withdrawal("app", "h1")
		w.AnsweredBy = "app"
		p.Cancel(t.Context(), w)
		d, err := p.Device("app")
		if err != nil {
			t.Fatal(err)
		}
		if on, ok := d.Shown(); !ok || on.Op != mssp.OpDisplay {
			t.Errorf("shows %+v, %v", on, ok)
		}
	})
}

func TestOpen(t *testing.T) {
	const token, back = "secret", "myapp://done"
	sum := sha256.Sum256([]byte(token))
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		r := request(mssp.OpSign, "h1", signum.App, func(r *mssp.DeviceRequest) {
			r.App2App = &mssp.App2App{TokenHash: hex.EncodeToString(sum[:]), RedirectURI: back}
		})
		send(t, p, r)
		d, err := p.Device("app")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := d.Shown(); ok || len(e.took()) != 0 {
			t.Fatal("shown or answered before its AuthUri was opened")
		}
		for _, uri := range []string{"mobileid://auth?session_token=other", "mobileid://auth", "%"} {
			if _, err := p.Open(uri); err == nil {
				t.Errorf("%s opened something", uri)
			}
		}
		got, err := p.Open("mobileid://auth?session_token=" + token)
		if err != nil || got != back {
			t.Errorf("got %q, %v; want %q", got, err, back)
		}
		if a := one(t, e); !verifies(d.Key().Public(), r.SignedAttrs, a.Signature) {
			t.Errorf("got %+v", a)
		}
	})
}

func TestPlace(t *testing.T) {
	germany := &mssp.Location{Country: "DE", Accuracy: 25}
	for _, tt := range []struct {
		name   string
		locate bool
		place  func(*phonetest.Phones) error
		want   string
	}{
		{"not asked", false, nil, ""},
		{"a new user", true, nil, "CH"},
		{"elsewhere", true, func(p *phonetest.Phones) error { return p.Place(anna, germany) }, "DE"},
		{"nowhere", true, func(p *phonetest.Phones) error { return p.Place(anna, nil) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, e := setup(t)
				if tt.place != nil {
					if err := tt.place(p); err != nil {
						t.Fatal(err)
					}
				}
				send(t, p, request(mssp.OpSign, "h1", signum.App, func(r *mssp.DeviceRequest) { r.Locate = tt.locate }))
				var country string
				if l := one(t, e).Location; l != nil {
					country = l.Country
				}
				if country != tt.want {
					t.Errorf("got %q, want %q", country, tt.want)
				}
			})
		})
	}
}

func TestSendText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		for _, number := range []string{anna, "+41790000000"} {
			if err := p.SendText(t.Context(), mssp.TextMessage{MSISDN: number}); err != nil {
				t.Errorf("%s: %v", number, err)
			}
		}
		if len(e.reports) != 2 {
			t.Errorf("got %v", e.reports)
		}
		if err := p.Behave(anna, phonetest.Unreachable); err != nil {
			t.Fatal(err)
		}
		unreachable(t, p.SendText(t.Context(), mssp.TextMessage{MSISDN: anna}))
	})
}

// TestClose: Close reports the answers that the engine did not take.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := setup(t)
		e.refuses = errors.New("no store")
		send(t, p, request(mssp.OpSign, "h1", signum.SIM))
		synctest.Wait()
		err := p.Close()
		if !errors.Is(err, e.refuses) || !strings.Contains(fmt.Sprint(err), "h1") {
			t.Errorf("got %v", err)
		}
	})
}

func TestActionString(t *testing.T) {
	for a, want := range map[phonetest.Action]string{
		phonetest.Approve: "approve", phonetest.TimeOut: "time-out", 200: "Action(200)",
	} {
		if got := a.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
