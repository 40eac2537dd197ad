package handset_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
)

var silent = person.Behaviour{Do: person.Silent}

func TestTerminalProfile(t *testing.T) {
	card := asks()
	newRadio(t, handset.Config{}, card)
	if got := only(t, card.sent(0x10)); got != "801000000413e10502" {
		t.Error(got)
	}
}

// The card's answer to an ENVELOPE goes into the delivery report.
func TestEnvelope(t *testing.T) {
	for _, c := range []struct {
		sw     uint16
		data   string
		report string
	}{
		{0x9000, "", "0000"},
		{0x9000, "0102", "00077ff6020102"},
		{0x9300, "", "00d400"},
		{0x6f00, "", "00d500"},
		{0x6a80, "", "00d500"},
		{0x6d00, "", "00d500"},
		{0x6200, "", "00d500"},
		{0x9e01, "", "00d500"},
	} {
		card := &fakeCard{envelope: func(*fakeCard) ([]byte, uint16) { return unhex(c.data), c.sw }}
		r := newRadio(t, handset.Config{}, card)
		tpdu := forCard(t, []byte("packet"))
		if got := r.deliver(t, tpdu); got != c.report {
			t.Errorf("%04X %s: report %s, want %s", c.sw, c.data, got, c.report)
		}
		body := fmt.Sprintf("82028381"+"0607911497000000f0"+"8b%02x%x", len(tpdu), tpdu)
		want := fmt.Sprintf("80c20000%02xd1%02x%s", len(body)/2+2, len(body)/2, body)
		if got := only(t, card.sent(0xc2)); got != want {
			t.Errorf("ENVELOPE\n%s, want\n%s", got, want)
		}
	}
}

// A long TPDU needs lengths of two octets.
func TestEnvelopeLong(t *testing.T) {
	card := asks()
	r := newRadio(t, handset.Config{}, card)
	r.deliver(t, forCard(t, make([]byte, 137)))
	got := unhex(only(t, card.sent(0xc2)))
	if n := len(got) - 5; int(got[4]) != n || got[5] != 0xd1 || got[6] != 0x81 || int(got[7]) != n-3 {
		t.Errorf("%x", got)
	}
}

// The TERMINAL RESPONSE for each key.
func TestTerminalResponse(t *testing.T) {
	const text, input = "8103 012181 8202 8281 ", "8103 012304 8202 8281 "
	for _, c := range []struct {
		command string
		key     handset.Key
		keyed   string
		want    string
	}{
		{displayText("hello"), handset.KeyOK, "", text + "8301 00"},
		{displayText("hello"), handset.KeyCancel, "", text + "8301 10"},
		{displayText("hello"), handset.KeyBack, "", text + "8301 11"},
		{displayText("hello"), handset.KeyNone, "", text + "8301 12"},
		{proactive(0x21, 0x01, 2, "8d020441"), handset.KeyNone, "", "8103 012101 8202 8281 8301 00"},
		{getInput("PIN"), handset.KeyOK, "1234", input + "8301 00 8d05 04 31323334"},
		{getInput("PIN"), handset.KeyCancel, "1234", input + "8301 10"},
		{getInput("PIN"), handset.KeyBack, "", input + "8301 11"},
		{getInput("PIN"), handset.KeyNone, "", input + "8301 12"},
		{proactive(0x23, 0x08, 0x82, "8d00 91020408"), handset.KeyOK, "1234", "8103 012308 8202 8281 8301 00 8d05 00 31d98c06"},
		{proactive(0x23, 0x08, 0x82, "8d00 91020408"), handset.KeyOK, "1234567", "8103 012308 8202 8281 8301 00 8d08 00 31d98c56b3dd1a"},
		{proactive(0x23, 0x03, 0x82, "8d00 910201ff"), handset.KeyOK, "é", "8103 012303 8202 8281 8301 00 8d03 08 00e9"},
		{proactive(0x23, 0x01, 0x82, "8d00 910201ff"), handset.KeyOK, "é", "8103 012301 8202 8281 8301 00 8d02 04 05"},
		{proactive(0x23, 0x01, 0x82, "8d00 910201ff"), handset.KeyOK, "ё", "8103 012301 8202 8281 8301 00 8d03 08 0451"},
	} {
		bubble(t, func(t *testing.T) {
			card := asks(c.command)
			r := newRadio(t, handset.Config{}, card)
			r.behaves(t, silent)
			r.wake(t)
			synctest.Wait()
			r.press(t, c.key, c.keyed)
			body := unhex(c.want)
			if got, want := only(t, card.sent(0x14)), fmt.Sprintf("80140000%02x%x", len(body), body); got != want {
				t.Errorf("%s, %d %q:\n%s, want\n%s", c.command, c.key, c.keyed, got, want)
			}
			if d := r.screen(t); d != (handset.Dialogue{Kind: handset.Idle}) {
				t.Errorf("then %+v", d)
			}
		})
	}
}

// The handset refuses commands that it does not support or understand, and continues.
func TestBeyondCapabilities(t *testing.T) {
	for command, want := range map[string]string{
		proactive(0x25, 0, 0x82, "8502 4142"):           "30", // SET UP MENU
		proactive(0x10, 0, 0x83, "8602 9121"):           "30", // SET UP CALL
		proactive(0x13, 1, 0x83, "8b03 110001"):         "30", // packing of a message
		proactive(0x13, 0, 0x83, ""):                    "36",
		proactive(0x21, 0x81, 2, "8d02 0000 0405"):      "32", // an object cut short
		proactive(0x21, 0x81, 2, "8d03 08d800"):         "32", // half a surrogate pair
		proactive(0x21, 0x81, 2, "8d02 0441 8402 0300"): "32", // no such duration
	} {
		bubble(t, func(t *testing.T) {
			card := asks(command, displayText("next"))
			r := newRadio(t, handset.Config{}, card)
			r.behaves(t, silent)
			r.wake(t)
			synctest.Wait()
			got := only(t, card.sent(0x14))
			if !strings.HasSuffix(got, "8301"+want) {
				t.Errorf("%s: %s, want %s", command, got, want)
			}
			if d := r.screen(t); d.Text != "next" {
				t.Errorf("then %+v", d)
			}
		})
	}
}

// The screen shows what the card sent.
func TestDialogue(t *testing.T) {
	for _, c := range []struct {
		command string
		want    handset.Dialogue
	}{
		{displayText("Bank: pay?"), handset.Dialogue{Kind: handset.DisplayText, Text: "Bank: pay?"}},
		{proactive(0x21, 0x81, 2, "8d06 00 c8329bfd06"), handset.Dialogue{Kind: handset.DisplayText, Text: "Hello"}},
		{proactive(0x21, 0x81, 2, "8d08 00 31d98c56b3dd1a"), handset.Dialogue{Kind: handset.DisplayText, Text: "1234567"}},
		{proactive(0x21, 0x81, 2, "8d08 00 31d98c56b3dd70"), handset.Dialogue{Kind: handset.DisplayText, Text: "12345678"}},
		{proactive(0x21, 0x81, 2, "8d05 08 04510042"), handset.Dialogue{Kind: handset.DisplayText, Text: "ёB"}},
		{proactive(0x21, 0x81, 2, "8d03 04 1b65"), handset.Dialogue{Kind: handset.DisplayText, Text: "€"}},
		{proactive(0x21, 0x81, 2, "8d00"), handset.Dialogue{Kind: handset.DisplayText}},
		{getInput("PIN?"), handset.Dialogue{Kind: handset.GetInput, Text: "PIN?", Hidden: true, Digits: true, MinLen: 4, MaxLen: 8}},
		{proactive(0x23, 0x01, 0x82, "0d020441 110200ff"), handset.Dialogue{Kind: handset.GetInput, Text: "A", MaxLen: 255}},
	} {
		bubble(t, func(t *testing.T) {
			r := newRadio(t, handset.Config{}, asks(c.command))
			r.behaves(t, silent)
			now := time.Now()
			r.wake(t)
			synctest.Wait()
			got := r.screen(t)
			c.want.ID, c.want.Since, c.want.Until = got.ID, now, now.Add(time.Minute)
			if got != c.want || got.ID == 0 {
				t.Errorf("%s: %+v, want %+v", c.command, got, c.want)
			}
		})
	}
}

func TestInputLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		card := asks(getInput("PIN"), proactive(0x23, 0x01, 0x82, "8d00 91020203"))
		r := newRadio(t, handset.Config{}, card)
		r.behaves(t, silent)
		r.wake(t)
		synctest.Wait()
		for range 2 {
			id := r.screen(t).ID
			refused := []string{"", "123", "123456789", "12a4", "12 4", "12\xff4", "１２３４"}
			fits := "12*#+3"
			if !r.screen(t).Digits {
				refused, fits = []string{"", "a", "aëьc", "a\xff"}, "ёьc"
			}
			for _, input := range refused {
				if err := r.Press(msisdn, id, handset.KeyOK, input); !errors.Is(err, handset.ErrInput) {
					t.Errorf("%q: %v", input, err)
				}
			}
			if err := r.Press(msisdn, id, handset.KeyOK, fits); err != nil {
				t.Error(err)
			}
		}
	})
}

// If no key is pressed, the handset answers by itself: after a minute, the configured time, or
// the time that the card sets.
func TestInactivity(t *testing.T) {
	for _, c := range []struct {
		command    string
		configured time.Duration
		want       time.Duration
	}{
		{displayText("a"), 0, time.Minute},
		{getInput("a"), 0, time.Minute},
		{displayText("a"), 20 * time.Second, 20 * time.Second},
		{proactive(0x21, 0x81, 2, "8d020441 8402 0105"), 0, 5 * time.Second},
		{proactive(0x21, 0x81, 2, "8d020441 8402 0002"), time.Second, 2 * time.Minute},
		{proactive(0x21, 0x81, 2, "8d020441 0402 0205"), 0, 500 * time.Millisecond},
	} {
		bubble(t, func(t *testing.T) {
			card := asks(c.command)
			r := newRadio(t, handset.Config{Inactivity: c.configured}, card)
			r.behaves(t, silent)
			r.wake(t)
			synctest.Wait()
			if d := r.screen(t); d.Until.Sub(d.Since) != c.want {
				t.Errorf("%s: until %s", c.command, d.Until)
			}
			time.Sleep(c.want - 1)
			synctest.Wait()
			if got := card.sent(0x14); len(got) != 0 {
				t.Errorf("%s: too early", c.command)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if got := only(t, card.sent(0x14)); !strings.HasSuffix(got, "830112") {
				t.Error(got)
			}
			if e := r.diary.All(); e[len(e)-1].Kind == person.Shown {
				t.Error(e)
			}
		})
	}
}

// An ENVELOPE reaches the card during a dialogue, or while a message is being sent. The commands
// that follow from it wait for the response to the open one.
func TestFetchWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		card := asks(displayText("first"))
		r := newRadio(t, handset.Config{}, card)
		r.behaves(t, silent)
		r.wake(t)
		synctest.Wait()
		card.mu.Lock()
		card.envelope = func(p *fakeCard) ([]byte, uint16) {
			p.queue = append(p.queue, unhex(displayText("second")))
			return nil, 0x9000
		}
		card.mu.Unlock()
		r.wake(t)
		synctest.Wait()
		if len(card.sent(0xc2)) != 2 || len(card.sent(0x12)) != 1 || r.screen(t).Text != "first" {
			t.Fatalf("%x", card.apdus)
		}
		r.press(t, handset.KeyOK, "")
		if d := r.screen(t); d.Text != "second" {
			t.Errorf("%+v", d)
		}
	})
}

// The same with a card that announces its command only in the answer to the ENVELOPE.
func TestFetchOwed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		card := asks(displayText("first"))
		r := newRadio(t, handset.Config{}, card)
		r.behaves(t, silent)
		r.wake(t)
		synctest.Wait()
		next := unhex(displayText("second"))
		card.mu.Lock()
		card.envelope = func(p *fakeCard) ([]byte, uint16) { return nil, 0x9100 | uint16(len(next)) }
		card.mu.Unlock()
		r.wake(t)
		card.mu.Lock()
		card.response = func(p *fakeCard, _ []byte) { p.response = nil }
		card.mu.Unlock()
		synctest.Wait()
		go func() {
			card.mu.Lock()
			card.queue = [][]byte{next}
			card.mu.Unlock()
		}()
		synctest.Wait()
		r.press(t, handset.KeyOK, "")
		if d := r.screen(t); d.Text != "second" {
			t.Errorf("%+v", d)
		}
	})
}

// Messages are sent one at a time, with the handset's own reference. Meanwhile the card accepts
// ENVELOPEs, and the function that sends may deliver one.
func TestSendShortMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sm := proactive(0x13, 0, 0x83, "8500 8b08 41000b9144970000")
		card := asks(sm, sm, displayText("sent"))
		r := newRadio(t, handset.Config{}, card)
		r.behaves(t, silent)
		r.block = true
		r.wake(t)
		synctest.Wait()
		if got := r.sent(); len(got) != 1 || len(card.sent(0x14)) != 0 {
			t.Fatal(got)
		}
		card.mu.Lock()
		card.envelope = nil
		card.mu.Unlock()
		r.wake(t) // the line is free
		r.unblock <- struct{}{}
		r.unblock <- struct{}{}
		synctest.Wait()
		want := []string{msisdn + " 41010b9144970000", msisdn + " 41020b9144970000"}
		if got := r.sent(); !slices.Equal(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
		for _, a := range card.sent(0x14) {
			if a != "801400000c"+"8103011300"+"82028281"+"830100" {
				t.Error(a)
			}
		}
		if d := r.screen(t); d.Text != "sent" {
			t.Errorf("%+v", d)
		}
	})
}

func TestSendShortMessageFails(t *testing.T) {
	sm := proactive(0x13, 0, 0x83, "8b08 41000b9144970000")
	for _, connected := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			card := asks(sm)
			r := newRadio(t, handset.Config{}, card)
			if r.refuse = true; !connected {
				r.Connect(nil)
			}
			r.wake(t)
			synctest.Wait()
			if a := only(t, card.sent(0x14)); a != "801400000d"+"8103011300"+"82028281"+"83022100" {
				t.Error(a)
			}
		})
	}
}

// The handset stops serving a card that issues commands without end.
func TestEndlessCard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		menu := unhex(proactive(0x25, 0, 0x82, "8502 4142"))
		card := asks(proactive(0x25, 0, 0x82, "8502 4142"))
		card.response = func(p *fakeCard, _ []byte) { p.queue = append(p.queue, menu) }
		r := newRadio(t, handset.Config{}, card)
		r.wake(t)
		synctest.Wait()
		if n := len(card.sent(0x12)); n != 64 {
			t.Errorf("%d commands", n)
		}
	})
}

// mute is a card without valid answers.
type mute struct{ *fakeCard }

func (mute) Transmit([]byte) []byte { return []byte{0x90} }

func TestMuteCard(t *testing.T) {
	r := newRadio(t, handset.Config{}, mute{asks()})
	if got := r.deliver(t, forCard(t, []byte{1})); got != "00d500" {
		t.Error(got)
	}
}

// A card may issue a command right after its insertion.
func TestAtInsertion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		card := asks()
		card.queue = [][]byte{unhex(proactive(0x25, 0, 0x82, "8502 4142")), unhex(displayText("welcome"))}
		r := newRadio(t, handset.Config{Delay: time.Minute}, card)
		synctest.Wait()
		if d := r.screen(t); d.Text != "welcome" {
			t.Errorf("%+v", d)
		}
	})
}
