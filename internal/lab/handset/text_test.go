package handset_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sms"
)

// text delivers a message to the user, in as many parts as it needs.
func (r *radio) text(t testing.TB, text string, flash bool) {
	t.Helper()
	for _, p := range parts(t, text, flash, 7) {
		if got := r.deliver(t, p); got != "0000" {
			t.Fatalf("report %s", got)
		}
	}
}

func parts(t testing.TB, text string, flash bool, ref byte) (all [][]byte) {
	t.Helper()
	split, err := sms.SplitText(text, flash, ref)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range split {
		d := sms.Deliver{UDHI: p.UDHI, From: sms.International("+41791112233"), DCS: p.DCS, UD: p.UD, Septets: p.Septets}
		b, err := d.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func repeat(s string, n int) (text string) {
	for len([]rune(text)) < n {
		text += s
	}
	return text
}

func TestTexts(t *testing.T) {
	card := asks()
	r := newRadio(t, handset.Config{}, card)
	var want []mssp.TextMessage
	for i, text := range []string{"code 1234 {€}", "пароль 1234", repeat("0123456789€", 400), repeat("пароль ", 200)} {
		all := parts(t, text, false, byte(i))
		for _, p := range slices.Backward(all) {
			r.deliver(t, p)
			if len(all) > 1 {
				r.deliver(t, p) // again
			}
		}
		want = append(want, mssp.TextMessage{MSISDN: msisdn, Text: text})
	}
	if got := r.Messages(msisdn); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if n := len(card.sent(0xc2)); n != 0 {
		t.Errorf("%d ENVELOPEs", n)
	}
	for i, e := range r.diary.All() {
		if e.Kind != person.Text || e.Text != want[i].Text || e.Method != "" || e.MSISDN != msisdn || e.Flash || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
	}
}

// A flash message is shown behind the card's dialogue and is not stored.
func TestFlash(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRadio(t, handset.Config{}, asks(displayText("pay?")))
		r.behaves(t, silent)
		r.text(t, "first", true)
		r.text(t, "вторая", true)
		if d := r.screen(t); d.Kind != handset.FlashText || d.Text != "вторая" || d.ID == 0 {
			t.Errorf("%+v", d)
		}
		r.wake(t)
		synctest.Wait()
		if d := r.screen(t); d.Text != "pay?" {
			t.Errorf("%+v", d)
		}
		r.press(t, handset.KeyOK, "")
		r.press(t, handset.KeyOK, "")
		if d := r.screen(t); d.Text != "first" {
			t.Errorf("%+v", d)
		}
		r.press(t, handset.KeyCancel, "")
		if d := r.screen(t); d.Kind != handset.Idle {
			t.Errorf("%+v", d)
		}
		if e := r.diary.All()[0]; !e.Flash || e.Kind != person.Text {
			t.Errorf("%+v", e)
		}
		if got := r.Messages(msisdn); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
}

// A handset stores a bounded number of messages and drops those that it cannot decode.
func TestTextsBounded(t *testing.T) {
	r := newRadio(t, handset.Config{}, asks())
	for i := range 250 {
		r.text(t, fmt.Sprint("text ", i), false)
		r.text(t, fmt.Sprint("flash ", i), true)
	}
	got := r.Messages(msisdn)
	if len(got) != 50 || got[0].Text != "text 200" || got[49].Text != "text 249" {
		t.Errorf("%d messages, %q", len(got), got[0].Text)
	}
	all := r.Received(msisdn)
	if len(all) != 100 || all[99].Text != "flash 249" || !all[99].Flash || all[98].Flash {
		t.Errorf("%d messages, %v", len(all), all[98:])
	}
	for i := range all[1:] {
		if all[i+1].Time.Sub(all[i].Time) < time.Microsecond {
			t.Errorf("two messages at %s", all[i].Time)
		}
	}
	for range 8 {
		r.press(t, handset.KeyOK, "")
	}
	if d := r.screen(t); d.Kind != handset.Idle {
		t.Errorf("%+v", d)
	}
	for _, d := range []sms.Deliver{
		{DCS: 0x04, UD: []byte("data")},
		{DCS: 0xf6, PID: 0x00, UD: []byte("for the card, but not for its toolkit")},
		{DCS: 0x08, UD: []byte{1}},
		{DCS: 0x08, UDHI: true, UD: []byte{5, 0, 3, 1, 2, 9, 0, 65}},
	} {
		b, err := d.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if got := r.deliver(t, b); got != "0000" {
			t.Error(got)
		}
	}
	if got := r.deliver(t, []byte{0, 1}); got != "00ff00" {
		t.Error(got)
	}
	if n := len(r.Received(msisdn)); n != 100 {
		t.Error(n)
	}
}
