package softapp_test

import (
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
)

var plain = softapp.Config{FastKDF: true, Delay: 200 * time.Millisecond}

func TestAppEnrolAndSign(t *testing.T) {
	t.Parallel()
	inBubble(t, softapp.Config{Delay: time.Second}, func(l *appLab) { // with all rounds of PBKDF2
		id := l.enrol(softapp.EnrolOptions{Name: "Mine", Passcode: "pass phrase"})
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
		if err != nil || !verifyRaw(l.service.apps[id].sign, softapp.SignedAttrs("Bank: log in?"), signature) {
			t.Errorf("signature %x, %v", signature, err)
		}
		if shown := l.service.heard(id, "shown"); len(shown) != 1 || shown[0]["id"] != "h1" || shown[0]["op"] != "sign" {
			t.Errorf("shown: %v", shown)
		}
		want := []person.Kind{person.Shown, person.PINRight, person.Signed}
		if got := softapp.Kinds(&l.diary); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

func TestAppBehaviours(t *testing.T) {
	t.Parallel()
	cancel := object{"id": "h1", "op": "sign", "cancel": true}
	tests := []struct {
		do      person.Action
		answer  object // nil: none
		signed  bool
		valid   bool
		unlocks int
		tries   int
		events  []person.Kind
	}{
		{do: person.Approve, signed: true, valid: true, unlocks: 1, tries: 3, events: []person.Kind{person.Shown, person.PINRight, person.Signed}},
		{do: person.Cancel, answer: cancel, tries: 3, events: []person.Kind{person.Shown, person.Cancelled}},
		{do: person.WrongPIN, unlocks: 3, tries: 0, events: []person.Kind{person.Shown, person.PINWrong, person.PINWrong, person.PINWrong}},
		{do: person.Blocked, answer: cancel, tries: 3, events: []person.Kind{person.Refused}},
		{do: person.Silent, tries: 3, events: []person.Kind{person.Shown}},
		{do: person.Hold, tries: 3, events: []person.Kind{person.Shown}},
		{do: person.BadSignature, signed: true, unlocks: 1, tries: 3, events: []person.Kind{person.Shown, person.PINRight, person.Signed}},
		{do: person.Unreachable, tries: 3},
		{do: person.NoKey, answer: cancel, tries: 3, events: []person.Kind{person.Refused}},
		{do: person.Report, answer: object{"id": "h1", "op": "sign", "cancel": true, "report": true}, tries: 3, events: []person.Kind{person.Shown, person.Reported}},
	}
	if len(tests) != len(person.Actions()) {
		t.Error("not all actions are tested")
	}
	for _, tc := range tests {
		t.Run(tc.do.String(), func(t *testing.T) {
			inBubble(t, plain, func(l *appLab) {
				id := l.enrol(softapp.EnrolOptions{Passcode: "1234"})
				if err := l.Behave(msisdn, person.Behaviour{Do: tc.do}); err != nil {
					t.Fatal(err)
				}
				l.wait(0)
				if open := l.Connected() == 1; open != (tc.do != person.Unreachable) {
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
				if got := softapp.Kinds(&l.diary); !slices.Equal(got, tc.events) {
					t.Errorf("events %q", got)
				}
				got := l.answers()
				switch {
				case tc.signed:
					if len(got) != 1 {
						t.Fatalf("%v", got)
					}
					signature, _ := b64u.DecodeString(got[0]["signature"].(string))
					if verifyRaw(l.service.apps[id].sign, softapp.SignedAttrs("a"), signature) != tc.valid || len(signature) != 64 {
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

// An App that is reachable again gets the requests that are still pending.
func TestAppReachableAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		_ = l.Behave(msisdn, person.Behaviour{Do: person.Unreachable})
		l.wait(time.Second)
		l.service.ask(id, l.service.toSign("h1", "a"))
		l.wait(10 * time.Second)
		if n := l.Connected(); n != 0 || len(softapp.Kinds(&l.diary)) != 0 {
			t.Fatalf("%d inboxes, %q", n, softapp.Kinds(&l.diary))
		}
		_ = l.Behave(msisdn, person.Behaviour{})
		l.wait(200 * time.Millisecond)
		if got := l.answers(); len(got) != 1 || got[0]["signature"] == nil {
			t.Errorf("%v", got)
		}
	})
}

// The App declines a request whose digest is not that of the text.
func TestAppDigest(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		r := l.service.toSign("h1", "pay 10")
		r["text"] = "pay 1"
		l.service.ask(id, r)
		l.wait(time.Minute)
		got := l.answers()
		if len(got) != 1 || !sameObject(got[0], object{"id": "h1", "op": "sign", "cancel": true}) || len(l.service.called("unlock")) != 0 {
			t.Errorf("%v", got)
		}
		if e := l.diary.All(); len(e) != 1 || e[0].Kind != person.Refused || e[0].Code != signum.InternalError {
			t.Errorf("%+v", e)
		}
		if len(l.service.heard(id, "shown")) > 0 {
			t.Error("the request was shown")
		}
	})
}

func TestAppTransactionApproval(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
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
	t.Parallel()
	for _, tc := range []struct {
		b      person.Behaviour
		result string
		after  time.Duration
	}{
		{person.Behaviour{}, "OK", 200 * time.Millisecond},
		{person.Behaviour{Do: person.Cancel}, "CANCEL", 200 * time.Millisecond},
		{person.Behaviour{Do: person.Silent}, "TIMEOUT", time.Minute},
		{person.Behaviour{After: 70 * time.Second}, "TIMEOUT", time.Minute},
		{person.Behaviour{Do: person.WrongPIN}, "OK", 200 * time.Millisecond},
	} {
		t.Run(tc.b.String(), func(t *testing.T) {
			inBubble(t, plain, func(l *appLab) {
				id := l.enrol(softapp.EnrolOptions{})
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

// A receipt waits while a signature request is on the screen.
func TestAppReceiptWaits(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"answered", "gone", "sync", "withdrawn"} {
		t.Run(how, func(t *testing.T) {
			inBubble(t, plain, func(l *appLab) {
				id := l.enrol(softapp.EnrolOptions{})
				_ = l.Behave(msisdn, person.Behaviour{Do: person.Silent})
				l.service.ask(id, l.service.toSign("h1", "a"))
				l.wait(time.Second)
				l.service.ask(id, l.service.toShow("h0", "b"))
				l.service.ask(id, l.service.toShow("h0", "b"))
				l.wait(time.Second)
				_ = l.Behave(msisdn, person.Behaviour{})
				want := []person.Kind{person.Shown, person.Withdrawn, person.Shown, person.Acknowledged}
				switch how {
				case "answered":
					if err := l.EnterPIN(id, "h1", person.DefaultPIN); err != nil {
						t.Fatal(err)
					}
					want = []person.Kind{person.Shown, person.PINRight, person.Signed, person.Shown, person.Acknowledged}
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
				if got := softapp.Kinds(&l.diary); !slices.Equal(got, want) {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

func TestAppLocation(t *testing.T) {
	t.Parallel()
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
				id := l.enrol(softapp.EnrolOptions{})
				at, err := person.ParsePlace(tc.place)
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
	t.Parallel()
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
				id := l.enrol(softapp.EnrolOptions{})
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

// The device knows its public key, and the observer may call the Apps.
func TestAppDevice(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		d := l.device(id)
		if !d.PublicKey().Equal(l.service.apps[id].sign) {
			t.Error(d.PublicKey())
		}
		l.diary.Also = func(e person.Event) {
			switch e.Kind {
			case person.Shown:
				_ = l.Behave(msisdn, person.Behaviour{Do: person.Silent})
				_ = l.Decline(id, e.TransID)
			case person.Cancelled:
				_ = l.Behave(msisdn, person.Behaviour{Do: person.Unreachable})
			}
		}
		l.service.ask(id, l.service.toSign("h1", "a"))
		l.wait(time.Second)
		if got := l.answers(); len(got) != 1 || got[0]["cancel"] != true || l.Connected() != 0 {
			t.Errorf("%v", got)
		}
	})
}
