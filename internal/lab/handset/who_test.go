package handset_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// The handset shows who asks before the text. The request counts as shown with its text;
// a person who has the keys can cancel it before.
func TestWhoAsks(t *testing.T) {
	cancelled := occurrence{person.Cancelled, 3, signum.UserCancel}
	for name, c := range map[string]struct {
		keys   []handset.Key
		texts  []string
		result applet.Result
		events []occurrence
		text   string // of the last event
	}{
		"cancelled": {[]handset.Key{handset.KeyCancel}, []string{"Request from\nBank"}, applet.UserCancel, []occurrence{cancelled}, ""},
		"back":      {[]handset.Key{handset.KeyBack}, []string{"Request from\nBank"}, applet.UserCancel, []occurrence{cancelled}, ""},
		"nobody":    {[]handset.Key{handset.KeyNone}, []string{"Request from\nBank"}, applet.NoAnswer, []occurrence{{person.TimedOut, 3, 0}}, ""},
		"text cancelled": {[]handset.Key{handset.KeyOK, handset.KeyCancel}, []string{"Request from\nBank", "pay?"}, applet.UserCancel,
			[]occurrence{{person.Shown, 3, 0}, cancelled}, "pay?"},
		"back and forth": {[]handset.Key{handset.KeyOK, handset.KeyBack, handset.KeyOK, handset.KeyCancel},
			[]string{"Request from\nBank", "pay?", "Request from\nBank", "pay?"}, applet.UserCancel, []occurrence{{person.Shown, 3, 0}, cancelled}, "pay?"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newService(t, newCard(t), person.Behaviour{Do: person.Approve})
				if err := s.TakeOver(msisdn, true); err != nil {
					t.Fatal(err)
				}
				s.send(from(signReq(1, "pay?"), "Bank"))
				synctest.Wait()
				var texts []string
				for n, key := range c.keys {
					d := s.screen()
					texts = append(texts, d.Text)
					if d.Kind != handset.DisplayText || d.Who != (d.Text != "pay?") {
						t.Errorf("screen %d: %+v", n, d)
					}
					s.press(key, "")
				}
				synctest.Wait()
				if !slices.Equal(texts, c.texts) {
					t.Errorf("shown %q, want %q", texts, c.texts)
				}
				if r := only(t, s.got()); r.Result != c.result {
					t.Error(r.Result)
				}
				if got := s.diary.occurrences(); !slices.Equal(got, c.events) {
					t.Errorf("%v, want %v", got, c.events)
				}
				all := s.diary.All()
				if e := all[len(all)-1]; e.Text != c.text || e.Party != "Bank" {
					t.Errorf("%+v", e)
				}
			})
		})
	}
}

// A simulated user who gets the keys back leaves the screen with the name at once, and
// then takes the usual time for the text.
func TestWhoAsksTakenOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, newCard(t), person.Behaviour{Do: person.Approve})
		if err := s.TakeOver(msisdn, true); err != nil {
			t.Fatal(err)
		}
		s.send(from(signReq(1, "pay?"), "Bank"))
		time.Sleep(10 * time.Second)
		if d := s.screen(); !d.Who {
			t.Fatalf("%+v", d)
		}
		if err := s.TakeOver(msisdn, false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if d := s.screen(); d.Text != "pay?" {
			t.Errorf("%+v", d)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r := only(t, s.got()); r.Result != applet.OK || !s.signed(r, "pay?") {
			t.Errorf("%+v", r)
		}
	})
}

// A receipt that was acknowledged is one whose text was.
func TestWhoAsksBeforeReceipt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, newCard(t), person.Behaviour{Do: person.Approve})
		s.send(from(displayReq(1, "You paid."), "Bank"))
		time.Sleep(time.Second)
		synctest.Wait()
		if r := only(t, s.got()); r.Result != applet.OK {
			t.Errorf("%+v", r)
		}
		if got, want := s.diary.occurrences(), []occurrence{{person.Shown, 3, 0}, {person.Acknowledged, 3, 0}}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
