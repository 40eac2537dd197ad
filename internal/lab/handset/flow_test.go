package handset_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// These tests cover the handset together with a real software card and its user.

func verifySignature(t testing.TB, key crypto.PublicKey, message, sig []byte) bool {
	t.Helper()
	sum := sha256.Sum256(message)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum[:], sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) == nil
	}
	t.Fatalf("a key of type %T", key)
	return false
}

type occurrence struct {
	kind  person.Kind
	tries int
	code  signum.Code
}

func (d *diary) occurrences() (all []occurrence) {
	for _, e := range d.All() {
		all = append(all, occurrence{e.Kind, e.TriesLeft, e.Code})
	}
	return all
}

func TestSIMSign(t *testing.T) {
	const text = "Bank: pay 5 € to Zoë?"
	shown := occurrence{person.Shown, 3, 0}
	for _, c := range []struct {
		does   person.Behaviour
		result applet.Result
		after  time.Duration
		events []occurrence
		tries  int
	}{
		{person.Behaviour{Do: person.Approve}, applet.OK, time.Second,
			[]occurrence{shown, {person.PINRight, 3, 0}, {person.Signed, 3, 0}}, 3},
		{person.Delayed(5 * time.Second), applet.OK, 5 * time.Second,
			[]occurrence{shown, {person.PINRight, 3, 0}, {person.Signed, 3, 0}}, 3},
		{person.Behaviour{Do: person.BadSignature}, applet.OK, time.Second,
			[]occurrence{shown, {person.PINRight, 3, 0}, {person.Signed, 3, 0}}, 3},
		{person.Behaviour{Do: person.Cancel}, applet.UserCancel, time.Second,
			[]occurrence{shown, {person.Cancelled, 3, signum.UserCancel}}, 3},
		{person.Behaviour{Do: person.WrongPIN}, applet.PINBlocked, time.Second,
			[]occurrence{shown, {person.PINWrong, 2, 0}, {person.PINWrong, 1, 0}, {person.PINWrong, 0, signum.PINBlocked}}, 0},
		{person.Behaviour{Do: person.Silent}, applet.NoAnswer, 80 * time.Second,
			[]occurrence{shown, {person.TimedOut, 3, 0}}, 3},
		{person.Behaviour{Do: person.Blocked}, applet.PINBlocked, 0, nil, 3},
		{person.Behaviour{Do: person.NoKey}, applet.NoKey, 0, nil, 3},
	} {
		for _, v := range []struct {
			kind  signum.KeyType
			party string // no key and no time more than without it
		}{{signum.EC, ""}, {signum.RSA, ""}, {signum.EC, "Bank"}} {
			t.Run(c.does.String()+"/"+string(v.kind)+v.party, func(t *testing.T) {
				simCard := newCard(t)
				if v.kind == signum.RSA {
					simCard = newCard(t, withRSAKey)
				}
				bubble(t, func(t *testing.T) {
					s := newService(t, simCard, c.does)
					began := time.Now()
					if report := s.send(from(signReq(1, text), v.party)); report != "0000" {
						t.Fatal(report)
					}
					if c.after > 0 {
						time.Sleep(c.after - 1)
						synctest.Wait()
						if len(s.got()) != 0 {
							t.Error("answered too early")
						}
						time.Sleep(time.Nanosecond)
					}
					synctest.Wait()
					r := only(t, s.got())
					if r.Result != c.result || r.ID != signReq(1, "").ID || s.times[0].Sub(began) != c.after {
						t.Errorf("%+v after %s", r, s.times[0].Sub(began))
					}
					if good := s.signed(r, text); good != (c.result == applet.OK && c.does.Do != person.BadSignature) || (len(r.Signature) > 0) != (c.result == applet.OK) {
						t.Errorf("signature good: %v, %d octets", good, len(r.Signature))
					}
					if got := s.diary.occurrences(); !slices.Equal(got, c.events) {
						t.Errorf("%v, want %v", got, c.events)
					}
					for _, e := range s.diary.All() {
						if e.Text != text || e.Party != v.party || e.Op != mssp.OpSign || e.TransID != r.ID.String() || e.DeviceID != "sim" || e.MSISDN != msisdn || e.Method != signum.SIM {
							t.Errorf("%+v", e)
						}
					}
					if simCard.TriesLeft() != c.tries || s.screen().Kind != handset.Idle || len(s.pors) != 1 || s.pors[0].Status != 0 {
						t.Errorf("%d tries, %+v, %d PoRs", simCard.TriesLeft(), s.screen(), len(s.pors))
					}
				})
			})
		}
	}
}

// A request keeps the behaviour of its first dialogue; a card whose fault was simulated works
// normally afterwards.
func TestSIMOneAfterAnother(t *testing.T) {
	simCard := newCard(t)
	bubble(t, func(t *testing.T) {
		s := newService(t, simCard, person.Behaviour{})
		want := []applet.Result{applet.OK, applet.NoKey, applet.PINBlocked, applet.OK, applet.OK, applet.UserCancel, applet.PINBlocked, applet.PINBlocked}
		for i, do := range []person.Action{person.Approve, person.NoKey, person.Blocked, person.BadSignature, person.Approve, person.Cancel, person.WrongPIN, person.Approve} {
			if err := s.Behave(msisdn, person.Behaviour{Do: do}); err != nil {
				t.Fatal(err)
			}
			s.send(signReq(i, "pay"))
			time.Sleep(2 * time.Second)
			synctest.Wait()
			got := s.got()
			if len(got) != i+1 || got[i].Result != want[i] {
				t.Fatalf("%s: %+v", do, got)
			}
			if got[i].Result == applet.OK && s.signed(got[i], "pay") != (do != person.BadSignature) {
				t.Errorf("%s: signature", do)
			}
		}
	})
}

func TestSIMActivation(t *testing.T) {
	shown, rejected := occurrence{person.Shown, 3, 0}, occurrence{person.PINRejected, 3, 0}
	for _, c := range []struct {
		does   person.Behaviour
		result applet.Result
		events []occurrence
	}{
		{person.Behaviour{Do: person.Approve}, applet.OK, []occurrence{shown, {person.PINSet, 3, 0}}},
		{person.Behaviour{Do: person.Blocked}, applet.OK, []occurrence{shown, {person.PINSet, 3, 0}}},
		{person.Behaviour{Do: person.NoKey}, applet.OK, []occurrence{shown, {person.PINSet, 3, 0}}},
		{person.Behaviour{Do: person.BadSignature}, applet.OK, []occurrence{shown, {person.PINSet, 3, 0}}},
		{person.Behaviour{Do: person.Cancel}, applet.UserCancel, []occurrence{shown, {person.Cancelled, 3, signum.UserCancel}}},
		{person.Behaviour{Do: person.WrongPIN}, applet.UserCancel, []occurrence{shown, rejected, rejected, {person.PINRejected, 3, signum.UserCancel}}},
		{person.Behaviour{Do: person.Silent}, applet.NoAnswer, []occurrence{shown, {person.TimedOut, 3, 0}}},
	} {
		t.Run(c.does.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				simCard := newCard(t, blankCard)
				s := newService(t, simCard, c.does)
				s.send(simpleReq(applet.SetPIN, 1))
				time.Sleep(90 * time.Second)
				synctest.Wait()
				r := only(t, s.got())
				if r.Op != applet.SetPIN || r.Result != c.result {
					t.Fatalf("%+v", r)
				}
				if got := s.diary.occurrences(); !slices.Equal(got, c.events) {
					t.Errorf("%v, want %v", got, c.events)
				}
				for _, e := range s.diary.All() {
					if e.Op != mssp.OpActivate || e.TransID != r.ID.String() || e.Kind == person.PINRejected && e.Reason != "the two PINs are not the same" {
						t.Errorf("%+v", e)
					}
				}
				if c.result != applet.OK {
					return
				}
				if simCard.KnownPIN() != person.DefaultPIN {
					t.Error("the PIN")
				}
				s.send(simpleReq(applet.GenKey, 1))
				synctest.Wait()
				made := s.got()[1]
				key, err := x509.ParsePKIXPublicKey(made.PublicKey)
				if err != nil || made.Result != applet.OK {
					t.Fatalf("%+v, %v", made, err)
				}
				if good := verifySignature(t, key, mssp.ActivationProof("t1", made.PublicKey), made.Proof); good != (c.does.Do != person.BadSignature) {
					t.Errorf("proof good: %v", good)
				}
			})
		})
	}
}

// A person can enter new PINs that are refused for other reasons.
func TestSIMNewPINByHand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		simCard := newCard(t, blankCard)
		s := newService(t, simCard, silent)
		s.send(simpleReq(applet.SetPIN, 1))
		synctest.Wait()
		for _, input := range []string{"12#4", "9999", "1234"} { // not a PIN; two that differ
			s.press(handset.KeyOK, input)
		}
		s.press(handset.KeyOK, "9999")
		s.press(handset.KeyBack, "") // to the first one
		s.press(handset.KeyOK, "8888")
		s.press(handset.KeyOK, "8888")
		synctest.Wait()
		if r := only(t, s.got()); r.Result != applet.OK || simCard.KnownPIN() != "8888" {
			t.Errorf("%+v", r)
		}
		want := []person.Kind{person.Shown, person.PINRejected, person.PINRejected, person.PINSet}
		if got := s.diary.kinds(); !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
		if all := s.diary.All(); all[1].Reason == all[2].Reason {
			t.Errorf("%q", all[1].Reason)
		}
	})
}

func TestSIMReceipt(t *testing.T) {
	for _, c := range []struct {
		do     person.Action
		result applet.Result
		kind   person.Kind
	}{
		{person.Approve, applet.OK, person.Acknowledged},
		{person.WrongPIN, applet.OK, person.Acknowledged},
		{person.Blocked, applet.OK, person.Acknowledged},
		{person.NoKey, applet.OK, person.Acknowledged},
		{person.BadSignature, applet.OK, person.Acknowledged},
		{person.Cancel, applet.UserCancel, person.Cancelled},
		{person.Silent, applet.NoAnswer, person.TimedOut},
	} {
		simCard := newCard(t)
		bubble(t, func(t *testing.T) {
			s := newService(t, simCard, person.Behaviour{Do: c.do})
			s.send(displayReq(1, "You paid. Grüezi!"))
			time.Sleep(signum.ReceiptShown)
			synctest.Wait()
			if r := only(t, s.got()); r.Result != c.result || r.Op != applet.Display {
				t.Errorf("%s: %+v", c.do, r)
			}
			want := []occurrence{{person.Shown, 3, 0}, {c.kind, 3, 0}}
			if got := s.diary.occurrences(); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", c.do, got, want)
			}
			if e := s.diary.All()[1]; e.Op != mssp.OpDisplay || e.Text != "You paid. Grüezi!" {
				t.Errorf("%+v", e)
			}
		})
	}
}

// A text of several pages is one request.
func TestSIMPages(t *testing.T) {
	simCard := newCard(t)
	bubble(t, func(t *testing.T) {
		s := newService(t, simCard, silent)
		text := strings.Repeat("0123456789", 25)
		s.send(displayReq(1, text))
		synctest.Wait()
		var shown string
		for d := s.screen(); d.Kind != handset.Idle; d = s.screen() {
			shown += d.Text
			s.press(handset.KeyOK, "")
		}
		synctest.Wait()
		if r := only(t, s.got()); r.Result != applet.OK || shown != text {
			t.Errorf("%+v, %q", r, shown)
		}
		if got := s.diary.kinds(); !slices.Equal(got, []person.Kind{person.Shown, person.Acknowledged}) {
			t.Error(got)
		}
	})
}

// While the user thinks, the card accepts repetitions and is busy for other requests.
// Afterwards a repetition gets the same answer without asking the user.
func TestSIMRepetitionAndBusy(t *testing.T) {
	simCard := newCard(t)
	bubble(t, func(t *testing.T) {
		s := newService(t, simCard, person.Delayed(10*time.Second))
		s.send(signReq(1, "first"))
		synctest.Wait()
		if report := s.send(signReq(1, "first")); report != "0000" {
			t.Error(report)
		}
		if report := s.send(signReq(2, "second")); report != "00d400" {
			t.Error(report)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		first := only(t, s.got())
		if !s.signed(first, "first") {
			t.Error("signature")
		}
		s.send(signReq(1, "first"))
		synctest.Wait()
		got := s.got()
		if len(got) != 2 || string(got[1].Signature) != string(first.Signature) {
			t.Errorf("%d replies", len(got))
		}
		if got := s.diary.kinds(); !slices.Equal(got, []person.Kind{person.Shown, person.PINRight, person.Signed}) {
			t.Error(got)
		}
		s.send(signReq(2, "second"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := s.got(); len(got) != 3 || !s.signed(got[2], "second") {
			t.Errorf("%d replies", len(got))
		}
	})
}

// A packet that does not come from the service gets a report but no prompt.
func TestSIMForged(t *testing.T) {
	simCard := newCard(t)
	bubble(t, func(t *testing.T) {
		s := newService(t, simCard, person.Behaviour{})
		s.Connect(func(string, []byte) error { return nil }) // PoRs without security
		s.sendPacket(slices.Repeat([]byte{0xff}, 40))
		s.sendPacket(slices.Repeat([]byte{0x00}, 300))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.diary.All(); len(got) != 0 {
			t.Error(got)
		}
	})
}

// A person presses the keys, step by step.
func TestSIMByHand(t *testing.T) {
	simCard := newCard(t)
	bubble(t, func(t *testing.T) {
		s := newService(t, simCard, person.Behaviour{})
		if err := s.TakeOver(msisdn, true); err != nil {
			t.Fatal(err)
		}
		s.send(signReq(1, "pay?"))
		synctest.Wait()
		if d := s.screen(); d.Kind != handset.DisplayText || d.Text != "pay?" || d.Until.Sub(d.Since) != 80*time.Second {
			t.Errorf("%+v", d)
		}
		s.press(handset.KeyOK, "")
		s.press(handset.KeyBack, "")
		if d := s.screen(); d.Text != "pay?" {
			t.Errorf("%+v", d)
		}
		s.press(handset.KeyOK, "")
		if d := s.screen(); d.Kind != handset.GetInput || !d.Hidden || !d.Digits || d.MinLen != 4 || d.MaxLen != 8 {
			t.Errorf("%+v", d)
		}
		if err := s.Press(msisdn, s.screen().ID, handset.KeyOK, "12"); !errors.Is(err, handset.ErrInput) {
			t.Error(err)
		}
		s.press(handset.KeyOK, "0000")
		if d := s.screen(); !strings.Contains(d.Text, "2 tries left") {
			t.Errorf("%+v", d)
		}
		s.press(handset.KeyOK, "4711")
		synctest.Wait()
		if r := only(t, s.got()); !s.signed(r, "pay?") {
			t.Errorf("%+v", r)
		}
		want := []person.Kind{person.Shown, person.PINWrong, person.PINRight, person.Signed}
		if got := s.diary.kinds(); !slices.Equal(got, want) {
			t.Error(got)
		}
		s.send(signReq(2, "again?"))
		synctest.Wait()
		s.press(handset.KeyBack, "")
		if got := s.diary.kinds(); got[len(got)-1] != person.Cancelled {
			t.Error(got)
		}
	})
}

// The signature is over the text that the screen showed.
func TestSIMWhatYouSee(t *testing.T) {
	simCard := newCard(t)
	bubble(t, func(t *testing.T) {
		s := newService(t, simCard, silent)
		for n, text := range []string{"@", "seven @", "eight ch", "a\r\nb\r", "[{~^|€\\}]", "Привет ✓", strings.Repeat("ж", 119), strings.Repeat("x", 239)} {
			s.send(signReq(n, text))
			synctest.Wait()
			if d := s.screen(); d.Text != text {
				t.Errorf("shown %q, want %q", d.Text, text)
			}
			s.press(handset.KeyOK, "")
			s.press(handset.KeyOK, simCard.KnownPIN())
			synctest.Wait()
			if got := s.got(); len(got) != n+1 || !s.signed(got[n], text) {
				t.Fatalf("%q: %d replies", text, len(got))
			}
		}
	})
}

// The card is removed before the user decides.
func TestSIMTakenOut(t *testing.T) {
	simCard, other := newCard(t), newCard(t, func(c *card.Config) { c.ICCID = "8941000000000000025" })
	bubble(t, func(t *testing.T) {
		s := newService(t, simCard, person.Behaviour{})
		s.send(signReq(1, "pay"))
		synctest.Wait()
		if err := s.Insert("sim2", msisdn, other); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(s.got()) != 0 {
			t.Error("answered")
		}
		if got := s.diary.kinds(); !slices.Equal(got, []person.Kind{person.Shown}) {
			t.Error(got)
		}
		s.card, s.counter = other, 0
		s.send(signReq(2, "pay"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if r := only(t, s.got()); !s.signed(r, "pay") {
			t.Errorf("%+v", r)
		}
	})
}
