package phone_test

import (
	"crypto/ecdsa"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/phone"
)

var plain = phone.AppsConfig{Plain: true, Delay: 200 * time.Millisecond}

func TestAppEnrolAndSign(t *testing.T) {
	inBubble(t, phone.AppsConfig{Delay: time.Second}, func(l *appLab) { // with all rounds
		id := l.enrol(phone.EnrolOptions{Name: "Mine", Passcode: "pass phrase"})
		if l.Connected() != 1 {
			t.Fatalf("%d inboxes", l.Connected())
		}
		r := l.service.toSign("h1", "Bank: log in?")
		l.service.ask(id, r)
		l.wait(time.Second)
		got := l.answers()
		if len(got) != 1 || got[0]["id"] != "h1" || got[0]["op"] != "sign" || len(got[0]) != 3 {
			t.Fatalf("%v", got)
		}
		signature, err := b64u.DecodeString(got[0]["signature"].(string))
		if err != nil || !verifyRaw(l.service.apps[id].sign, signedAttrs("Bank: log in?"), signature) {
			t.Errorf("signature %x, %v", signature, err)
		}
		if shown := l.service.heard(id, "shown"); len(shown) != 1 || shown[0]["id"] != "h1" || shown[0]["op"] != "sign" {
			t.Errorf("shown: %v", shown)
		}
		want := []phone.Kind{phone.Shown, phone.PINRight, phone.Signed}
		if got := l.diary.kinds(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

func TestAppBehaviours(t *testing.T) {
	cancel := object{"id": "h1", "op": "sign", "cancel": true}
	tests := []struct {
		do      phone.Action
		answer  object // nil: none
		signed  bool
		valid   bool
		unlocks int
		tries   int
		events  []phone.Kind
	}{
		{do: phone.Approve, signed: true, valid: true, unlocks: 1, tries: 3, events: []phone.Kind{phone.Shown, phone.PINRight, phone.Signed}},
		{do: phone.Cancel, answer: cancel, tries: 3, events: []phone.Kind{phone.Shown, phone.Cancelled}},
		{do: phone.WrongPIN, unlocks: 3, tries: 0, events: []phone.Kind{phone.Shown, phone.PINWrong, phone.PINWrong, phone.PINWrong}},
		{do: phone.Blocked, answer: cancel, tries: 3, events: []phone.Kind{phone.Refused}},
		{do: phone.Silent, tries: 3, events: []phone.Kind{phone.Shown}},
		{do: phone.BadSignature, signed: true, unlocks: 1, tries: 3, events: []phone.Kind{phone.Shown, phone.PINRight, phone.Signed}},
		{do: phone.Unreachable, tries: 3},
		{do: phone.NoKey, answer: cancel, tries: 3, events: []phone.Kind{phone.Refused}},
	}
	if len(tests) != len(phone.Actions()) {
		t.Error("not all actions are tested")
	}
	for _, tc := range tests {
		t.Run(tc.do.String(), func(t *testing.T) {
			inBubble(t, plain, func(l *appLab) {
				id := l.enrol(phone.EnrolOptions{Passcode: "1234"})
				if err := l.Behave(msisdn, phone.Behaviour{Do: tc.do}); err != nil {
					t.Fatal(err)
				}
				l.wait(0)
				if open := l.Connected() == 1; open != (tc.do != phone.Unreachable) {
					t.Errorf("inbox open: %t", open)
				}
				l.service.ask(id, l.service.toSign("h1", "a"))
				l.wait(30 * time.Second)
				if got := len(l.service.called("unlock")); got != tc.unlocks {
					t.Errorf("%d unlocks, want %d", got, tc.unlocks)
				}
				if got := l.device(id).TriesLeft(); got != tc.tries || l.service.apps[id].tries != tc.tries {
					t.Errorf("%d tries left", got)
				}
				if got := l.diary.kinds(); !slices.Equal(got, tc.events) {
					t.Errorf("events %q", got)
				}
				got := l.answers()
				switch {
				case tc.signed:
					if len(got) != 1 {
						t.Fatalf("%v", got)
					}
					signature, _ := b64u.DecodeString(got[0]["signature"].(string))
					if verifyRaw(l.service.apps[id].sign, signedAttrs("a"), signature) != tc.valid || len(signature) != 64 {
						t.Errorf("signature %x", signature)
					}
				case tc.answer == nil:
					if len(got) != 0 {
						t.Errorf("%v", got)
					}
				case len(got) != 1 || !sameObject(got[0], tc.answer):
					t.Errorf("%v", got)
				}
			})
		})
	}
}

func sameObject(a, b object) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// Once it can be reached again, the person is asked what is still wanted.
func TestAppReachableAgain(t *testing.T) {
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(phone.EnrolOptions{})
		_ = l.Behave(msisdn, phone.Behaviour{Do: phone.Unreachable})
		l.wait(time.Second)
		l.service.ask(id, l.service.toSign("h1", "a"))
		l.wait(10 * time.Second)
		if n := l.Connected(); n != 0 || len(l.diary.kinds()) != 0 {
			t.Fatalf("%d inboxes, %q", n, l.diary.kinds())
		}
		_ = l.Behave(msisdn, phone.Behaviour{})
		l.wait(200 * time.Millisecond)
		if got := l.answers(); len(got) != 1 || got[0]["signature"] == nil {
			t.Errorf("%v", got)
		}
	})
}

// What is shown must be what is signed: the App declines.
func TestAppDigest(t *testing.T) {
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(phone.EnrolOptions{})
		r := l.service.toSign("h1", "pay 10")
		r["text"] = "pay 1"
		l.service.ask(id, r)
		l.wait(time.Minute)
		got := l.answers()
		if len(got) != 1 || !sameObject(got[0], object{"id": "h1", "op": "sign", "cancel": true}) || len(l.service.called("unlock")) != 0 {
			t.Errorf("%v", got)
		}
		if e := l.diary.all(); len(e) != 1 || e[0].Kind != phone.Refused || e[0].Code != signum.InternalError {
			t.Errorf("%+v", e)
		}
		if len(l.service.heard(id, "shown")) > 0 {
			t.Error("it was shown")
		}
	})
}

func TestAppTransactionApproval(t *testing.T) {
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(phone.EnrolOptions{})
		r := l.service.toSign("h1", `{"format_version":1,"content_string":"[{\"key\":\"Amount\",\"value\":\"1\"}]"}`)
		r["mime"], r["text"] = signum.MimeTxnApproval, `{"type": "Pay", "dtbd": [{"key": "Amount", "value": "1"}]}`
		l.service.ask(id, r)
		l.wait(time.Second)
		if got := l.answers(); len(got) != 1 || got[0]["signature"] == nil {
			t.Errorf("%v", got)
		}
	})
}

func TestAppReceipts(t *testing.T) {
	for _, tc := range []struct {
		b      phone.Behaviour
		result string
		after  time.Duration
	}{
		{phone.Behaviour{}, "OK", 200 * time.Millisecond},
		{phone.Behaviour{Do: phone.Cancel}, "CANCEL", 200 * time.Millisecond},
		{phone.Behaviour{Do: phone.Silent}, "TIMEOUT", time.Minute},
		{phone.Behaviour{After: 70 * time.Second}, "TIMEOUT", time.Minute},
		{phone.Behaviour{Do: phone.WrongPIN}, "OK", 200 * time.Millisecond},
	} {
		t.Run(tc.b.String(), func(t *testing.T) {
			inBubble(t, plain, func(l *appLab) {
				id := l.enrol(phone.EnrolOptions{})
				_ = l.Behave(msisdn, tc.b)
				l.service.ask(id, l.service.toShow("h1", "Thank you"))
				start := time.Now()
				l.wait(75 * time.Second)
				calls := l.service.called("answer")
				if len(calls) != 1 || !sameObject(calls[0].body, object{"id": "h1", "op": "display", "receipt": tc.result}) {
					t.Fatalf("%+v", calls)
				}
				if took := calls[0].at.Sub(start); took != tc.after {
					t.Errorf("after %s", took)
				}
			})
		})
	}
}

// A receipt waits for the signature on the screen, of the same transaction or
// not.
func TestAppReceiptWaits(t *testing.T) {
	for _, how := range []string{"answered", "gone", "sync", "withdrawn"} {
		t.Run(how, func(t *testing.T) {
			inBubble(t, plain, func(l *appLab) {
				id := l.enrol(phone.EnrolOptions{})
				_ = l.Behave(msisdn, phone.Behaviour{Do: phone.Silent})
				l.service.ask(id, l.service.toSign("h1", "a"))
				l.wait(time.Second)
				l.service.ask(id, l.service.toShow("h0", "b"))
				l.service.ask(id, l.service.toShow("h0", "b"))
				l.wait(time.Second)
				_ = l.Behave(msisdn, phone.Behaviour{})
				want := []phone.Kind{phone.Shown, phone.Withdrawn, phone.Shown, phone.Acknowledged}
				switch how {
				case "answered":
					if err := l.EnterPIN(id, "h1", phone.DefaultPIN); err != nil {
						t.Fatal(err)
					}
					want = []phone.Kind{phone.Shown, phone.PINRight, phone.Signed, phone.Shown, phone.Acknowledged}
				case "gone":
					l.service.tell(id, object{"type": "gone", "id": "h1", "op": "sign", "reason": "withdrawn"})
				case "sync":
					l.service.set(func() { l.service.apps[id].end("h1") })
					l.service.drop(id)
				case "withdrawn": // the receipt
					l.service.tell(id, object{"type": "gone", "id": "h0", "op": "display", "reason": "expired"})
					l.service.tell(id, object{"type": "gone", "id": "h1", "op": "sign", "reason": "withdrawn"})
					want = want[:2]
				}
				l.wait(2 * time.Second)
				if got := l.diary.kinds(); !slices.Equal(got, want) {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

func TestAppLocation(t *testing.T) {
	for _, tc := range []struct {
		place string
		want  any
	}{
		{"CH", object{"country": "CH", "accuracy": 16.0, "device_confidence": 1.0, "location_confidence": 1.0}},
		{"DE,accuracy=0,device=0,location=0.5,age=1h", object{"country": "DE", "accuracy": 0.0, "device_confidence": 0.0, "location_confidence": 0.5}},
		{"error=103", object{"error": 103.0}},
		{"none", nil},
	} {
		t.Run(tc.place, func(t *testing.T) {
			inBubble(t, plain, func(l *appLab) {
				id := l.enrol(phone.EnrolOptions{})
				at, err := phone.ParsePlace(tc.place)
				if err != nil || l.Place(msisdn, at) != nil {
					t.Fatal(err)
				}
				r := l.service.toSign("h1", "a")
				r["locate"] = true
				l.service.ask(id, r)
				l.wait(time.Second)
				got := l.answers()
				if len(got) != 1 {
					t.Fatalf("%v", got)
				}
				location, _ := got[0]["location"].(object)
				if tc.want == nil {
					if location != nil {
						t.Errorf("%v", location)
					}
					return
				}
				if want := tc.want.(object); want["country"] != nil {
					want["measured"] = float64(time.Now().Add(-800*time.Millisecond - at.Age).UnixMilli())
				}
				if !sameObject(location, tc.want.(object)) {
					t.Errorf("%v, want %v", location, tc.want)
				}
			})
		})
	}
}

func TestAppChoices(t *testing.T) {
	second := func(c []string) string { return c[1] }
	for _, tc := range []struct {
		name   string
		choose func([]string) string
		want   any
	}{
		{"the first", nil, "12"}, {"told", second, "47"}, {"another", func([]string) string { return "99" }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, plain, func(l *appLab) {
				id := l.enrol(phone.EnrolOptions{})
				if err := l.Choose(id, tc.choose); err != nil {
					t.Fatal(err)
				}
				r := l.service.toSign("h1", "a")
				r["choices"] = []string{"12", "47", "83"}
				l.service.ask(id, r)
				l.wait(time.Second)
				got := l.answers()
				if len(got) != 1 || got[0]["choice"] != tc.want || (got[0]["signature"] == nil) != (tc.want == nil) {
					t.Errorf("%v", got)
				}
			})
		})
	}
}

// The device has the public half of its key, and its observer may call.
func TestAppDevice(t *testing.T) {
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(phone.EnrolOptions{})
		d := l.device(id)
		if key, ok := d.PublicKey().(*ecdsa.PublicKey); !ok || !key.Equal(l.service.apps[id].sign) || d.KeyType() != signum.EC {
			t.Error(d.PublicKey())
		}
		l.diary.also = func(e phone.Event) {
			switch e.Kind {
			case phone.Shown:
				_ = l.Behave(msisdn, phone.Behaviour{Do: phone.Silent})
				_ = l.Decline(id, e.TransID)
			case phone.Cancelled:
				_ = l.Behave(msisdn, phone.Behaviour{Do: phone.Unreachable})
			}
		}
		l.service.ask(id, l.service.toSign("h1", "a"))
		l.wait(time.Second)
		if got := l.answers(); len(got) != 1 || got[0]["cancel"] != true || l.Connected() != 0 {
			t.Errorf("%v", got)
		}
	})
}

// Devices of a Network choose too, in the hands of the same persons.
func TestNetworkChoices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		for i, want := range []string{"12", "47", "47", ""} {
			r := request(l.app, fmt.Sprint("t", i), "a")
			switch i {
			case 0, 1:
				r.Choices = []string{"12", "47"}
			case 2: // it goes while they choose
				r.Choices = []string{"47"}
			}
			if i == 1 {
				l.app.Choose(func(c []string) string {
					if len(c) == 1 {
						l.app.Withdraw("t2")
					}
					return "47"
				})
			}
			l.send(t, r)
			synctest.Wait()
			if i == 2 {
				continue
			}
			got := l.mssp.got()
			if a := got[len(got)-1]; a.TransID != r.TransID || a.Choice != want || a.Signature == nil {
				t.Errorf("%d: %+v", i, a)
			}
		}
		if n := len(l.mssp.got()); n != 3 {
			t.Errorf("%d answers", n)
		}
	})
}
