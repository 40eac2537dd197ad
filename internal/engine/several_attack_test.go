package engine

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestAttackTwoAnswers: two Apps answer at the same moment. There is one outcome, and
// certificate, attributes and signature are of the same App.
func TestAttackTwoAnswers(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addApps(1, 5, silent)
		winners := make(map[string]int)
		for range 10 {
			id := w.begin(s, profile(signum.ProfileDevice))
			w.awaitAll(id, len(s.Devices))
			var start, done sync.WaitGroup
			start.Add(1)
			for _, d := range s.Devices {
				a := w.act(d.ID, id, phonetest.Approve)
				done.Go(func() {
					start.Wait()
					if err := w.Answer(context.Background(), a); err != nil {
						t.Errorf("%s: %v", a.DeviceID, err)
					}
				})
			}
			start.Done()
			done.Wait()
			tx, err := w.store.Transaction(t.Context(), id)
			if err != nil || tx.State != mssp.StateSigned {
				t.Fatalf("%+v, %v", tx, err)
			}
			winners[tx.DeviceID]++
			for i := range s.Devices {
				if d := &s.Devices[i]; d.ID == tx.DeviceID {
					w.signedBy(w.signature(id), d)
				}
			}
			der, err := w.Signature(t.Context(), tx.DeviceID, id)
			if err != nil || !bytes.Equal(der, w.signature(id)) {
				t.Errorf("the App that signed gets %d bytes, %v", len(der), err)
			}
		}
		t.Logf("winners: %v", winners)
	})
}

// TestStolenApp: somebody who finds the first phone and enters wrong passcodes
// neither ends a request that the owner can answer on another phone, nor keeps the
// owner from signing later.
func TestStolenApp(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addApps(1, 2, silent)
		stolen, own := s.Devices[0].ID, &s.Devices[1]
		id := w.begin(s, profile(signum.ProfileDevice))
		w.awaitAll(id, 2)
		if err := w.Answer(t.Context(), w.act(stolen, id, phonetest.WrongPIN)); err != nil {
			t.Fatal(err)
		}
		if got := w.outcome(id); got != signum.OutstandingTransact {
			t.Fatalf("the stolen phone ended the request: %d", got)
		}
		if err := w.Answer(t.Context(), w.act(own.ID, id, phonetest.Approve)); err != nil {
			t.Fatal(err)
		}
		w.signedBy(w.signature(id), own)

		next := w.begin(s, profile(signum.ProfileDevice))
		w.awaitShown(next)
		if w.shows(stolen, next) {
			t.Error("a blocked App is asked")
		}
		if err := w.Answer(t.Context(), w.act(own.ID, next, phonetest.WrongPIN)); err != nil {
			t.Fatal(err)
		}
		if got := w.outcome(next); got != signum.PINBlocked {
			t.Errorf("the last App is blocked: %d", got)
		}
		if _, err := w.ask(s, profile(signum.ProfileDevice)); w.code(err) != signum.PINBlocked {
			t.Errorf("all Apps are blocked: %v", err)
		}
	})
}

// TestAttackRemovedAppSigns: an App that was removed, blocked or suspended while a
// request was on its screen, or whose certificate was revoked, does not sign. Another
// App still can; if no other App can, the request ends.
func TestAttackRemovedAppSigns(t *testing.T) {
	t.Parallel()
	ends := map[string]struct {
		end  func(w *world, s *mssp.Subscriber) error
		want signum.Code // if there is no other App
	}{
		"removed": {func(w *world, s *mssp.Subscriber) error {
			return w.store.UpdateSubscriber(context.Background(), s.MSISDN, func(x *mssp.Subscriber) error {
				x.Devices = x.Devices[1:]
				return nil
			})
		}, signum.UnknownClient},
		"switched off": {func(w *world, s *mssp.Subscriber) error {
			return w.store.EndDevice(context.Background(), s.Devices[0].ID, mssp.EndedByUser, w.clock.Now())
		}, signum.UnknownClient},
		"blocked": {func(w *world, s *mssp.Subscriber) error {
			return w.store.SetPINBlocked(context.Background(), s.Devices[0].ID, true)
		}, signum.PINBlocked},
		"revoked": {func(w *world, s *mssp.Subscriber) error {
			return w.store.RevokeCertificate(context.Background(), s.Devices[0].Certificate.Serial, w.clock.Now(), 4)
		}, signum.RevokedCertificate},
	}
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		n := 0
		for name, tt := range ends {
			for apps := 1; apps <= 2; apps++ {
				n++
				s := w.addApps(n, apps, silent)
				id := w.begin(s, profile(signum.ProfileDevice))
				w.awaitAll(id, apps)
				a := w.act(s.Devices[0].ID, id, phonetest.Approve)
				if err := tt.end(w, s); err != nil {
					t.Fatal(err)
				}
				err := w.Answer(t.Context(), a)
				if apps == 1 {
					if got := w.outcome(id); err != nil || got != tt.want {
						t.Errorf("%s, no other App: %v, outcome %d", name, err, got)
					}
					continue
				}
				if got := w.outcome(id); !errors.Is(err, mssp.ErrNotAsked) || got != signum.OutstandingTransact {
					t.Errorf("%s: %v, outcome %d", name, err, got)
				}
				if list, err := w.Pending(t.Context(), s.Devices[0].ID); err != nil || len(list) != 0 {
					t.Errorf("%s: still asked: %v, %v", name, list, err)
				}
				if err := w.Answer(t.Context(), w.act(s.Devices[1].ID, id, phonetest.Approve)); err != nil {
					t.Errorf("%s: the other App: %v", name, err)
				}
				w.signedBy(w.signature(id), &s.Devices[1])
			}
		}
		s := w.addApps(n+1, 2, silent)
		id := w.begin(s, profile(signum.ProfileDevice))
		w.awaitAll(id, 2)
		a := w.act(s.Devices[1].ID, id, phonetest.Approve)
		if err := w.store.SetSubscriberState(t.Context(), s.MSISDN, mssp.SubscriberInactive); err != nil {
			t.Fatal(err)
		}
		err := w.Answer(t.Context(), a)
		if got := w.outcome(id); err != nil || got != signum.CardBlocked {
			t.Errorf("suspended: %v, outcome %d", err, got)
		}
	})
}
