package engine

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// addApps makes the n-th account, with several Apps.
func (w *world) addApps(n, apps int, behaviour phonetest.Action) *mssp.Subscriber {
	w.t.Helper()
	methods := make([]signum.Method, apps)
	for i := range methods {
		methods[i] = signum.App
	}
	return w.addUser(n, behaviour, signum.EC, methods...)
}

// awaitAll waits until so many phones show the transaction.
func (w *world) awaitAll(id string, phones int) {
	w.t.Helper()
	for range phones {
		w.awaitShown(id)
	}
}

// signature returns the CMS of a transaction that has succeeded.
func (w *world) signature(id string) []byte {
	w.t.Helper()
	resp, err := w.Status(context.Background(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: id})
	if err != nil || resp.Status != signum.SignatureMade {
		w.t.Fatalf("%s: %+v, %v", id, resp, err)
	}
	return resp.Signature
}

// signedBy fails unless the CMS verifies and was made with the key of this device.
func (w *world) signedBy(der []byte, d *mssp.Device) {
	w.t.Helper()
	r := w.verify(der)
	signer, err := cms.ParseSigner(d.Certificate.DER)
	if err != nil {
		w.t.Fatal(err)
	}
	if key, ok := signer.PublicKey().(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(r.Certificate.PublicKey) {
		w.t.Errorf("the certificate in the CMS is not that of %s", d.ID)
	}
}

func (w *world) shows(deviceID, transID string) bool {
	w.t.Helper()
	d, err := w.phones.Device(deviceID)
	if err != nil {
		w.t.Fatal(err)
	}
	r, ok := d.Shown()
	return ok && r.TransID == transID
}

// awaitGone waits until a phone no longer shows a transaction. The outcome is known
// first.
func (w *world) awaitGone(deviceID, transID string) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for w.shows(deviceID, transID) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s is still on the screen of %s", transID, deviceID)
		}
		time.Sleep(time.Millisecond)
	}
}

// act returns what the user of a device answers, without sending it.
func (w *world) act(deviceID, transID string, do phonetest.Action) mssp.DeviceAnswer {
	w.t.Helper()
	d, err := w.phones.Device(deviceID)
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := d.Act(transID, do)
	if err != nil {
		w.t.Fatalf("%s of %s: %v", do, deviceID, err)
	}
	return a
}

// Every App is asked, and the first that answers, in whatever way, ends the request on
// all of them. The signature is that of the App that made it, and so is the receipt.
func TestSeveralApps(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addApps(1, 3, silent)
		id := w.begin(s, profile(signum.ProfileDevice))
		w.awaitAll(id, 3)
		last := &s.Devices[2]
		late := w.act(s.Devices[1].ID, id, phonetest.Cancel)
		if err := w.phones.Act(last.ID, id, phonetest.Approve); err != nil {
			t.Fatal(err)
		}
		if got := w.await(id); got != signum.SignatureMade {
			t.Fatalf("outcome %d", got)
		}
		w.signedBy(w.signature(id), last)
		w.awaitGone(s.Devices[0].ID, id)
		if err := w.Answer(t.Context(), late); err != nil {
			t.Errorf("late answer: %v", err)
		}
		if got := w.outcome(id); got != signum.SignatureMade {
			t.Errorf("after a late answer: %d", got)
		}
		var receipt sync.WaitGroup
		receipt.Go(func() {
			if _, err := w.receipt(w.receiptRequest(s, id)); err != nil {
				t.Error(err)
			}
		})
		w.awaitShown(id)
		for i, d := range s.Devices {
			if got := w.shows(d.ID, id); got != (i == 2) {
				t.Errorf("App %d shows the receipt: %v", i, got)
			}
		}
		if err := w.phones.Act(last.ID, id, phonetest.Approve); err != nil {
			t.Error(err)
		}
		receipt.Wait()

		declined := w.begin(s, profile(signum.ProfileDevice))
		w.awaitAll(declined, 3)
		if err := w.phones.Act(s.Devices[1].ID, declined, phonetest.Cancel); err != nil {
			t.Fatal(err)
		}
		if got := w.await(declined); got != signum.UserCancel {
			t.Errorf("declined: %d", got)
		}
		w.awaitGone(s.Devices[0].ID, declined)
		w.awaitGone(last.ID, declined)
	})
}

// A synchronous request gets the signature of the App that answered.
func TestSeveralAppsSynchronous(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addApps(1, 2, silent)
		done := make(chan *signum.SignatureResponse, 1)
		go func() {
			resp, err := w.ask(s)
			if err != nil {
				t.Error(err)
			}
			done <- resp
		}()
		id := <-w.shown
		w.awaitShown(id)
		if err := w.phones.Act(s.Devices[1].ID, id, phonetest.Approve); err != nil {
			t.Fatal(err)
		}
		if resp := <-done; resp != nil {
			w.signedBy(resp.Signature, &s.Devices[1])
		}
	})
}

// What no device can answer any more ends when the account is checked again.
func TestRecheck(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		ctx := t.Context()
		s := w.addUser(1, silent, signum.EC, signum.SIM, signum.App, signum.App)
		other := w.addApps(2, 1, silent)
		sim, app := w.begin(s, profile(signum.ProfileSTK)), w.begin(s, profile(signum.ProfileDevice))
		bystander := w.begin(other, profile(signum.ProfileDevice))
		check := func(what, id string, want signum.Code) {
			t.Helper()
			if err := w.Recheck(ctx, s.MSISDN); err != nil {
				t.Fatal(err)
			}
			if got := w.outcome(id); got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		check("nothing changed", app, signum.OutstandingTransact)
		if err := w.store.SetPINBlocked(ctx, s.Devices[1].ID, true); err != nil {
			t.Fatal(err)
		}
		check("one App is blocked", app, signum.OutstandingTransact)
		if err := w.store.EndDevice(ctx, s.Devices[2].ID, mssp.EndedByUser, w.clock.Now()); err != nil {
			t.Fatal(err)
		}
		check("no App is left", app, signum.PINBlocked)
		check("the SIM", sim, signum.OutstandingTransact)
		if err := w.store.SetSubscriberState(ctx, s.MSISDN, mssp.SubscriberInactive); err != nil {
			t.Fatal(err)
		}
		check("suspended", sim, signum.CardBlocked)
		check("another account", bystander, signum.OutstandingTransact)
	})
}

// An App signs what is pending for it, with its own certificate, also if it was enrolled
// after the request was made, if its certificate was renewed while it was being asked,
// and after a restart of the service.
func TestSeveralAppsPending(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		ctx := t.Context()
		s := w.addApps(1, 2, silent)
		id := w.begin(s, profile(signum.ProfileDevice))
		w.awaitAll(id, 2)
		for i, d := range s.Devices {
			list, err := w.Pending(ctx, d.ID)
			if err != nil || len(list) != 1 || list[0].TransID != id || list[0].CertSerial != d.Certificate.Serial {
				t.Fatalf("pending for App %d: %+v, %v", i, list, err)
			}
			p, _ := w.phones.Device(d.ID)
			if r, _ := p.Shown(); !bytes.Equal(r.SignedAttrs, list[0].SignedAttrs) {
				t.Errorf("App %d is asked to sign other bytes than before", i)
			}
		}
		a := w.act(s.Devices[1].ID, id, phonetest.Approve)
		old := s.Devices[1].Certificate
		p, _ := w.phones.Device(s.Devices[1].ID)
		renewed, err := w.ca.Issue(ctx, s.Serial, s.Devices[1].ID, p.Key().Public())
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := w.store.RenewDevice(ctx, s.Devices[1].ID, old.Serial, renewed.Serial); !ok || err != nil {
			t.Fatal(ok, err)
		}
		a.CertSerial = s.Devices[0].Certificate.Serial
		if err := w.Answer(ctx, a); !errors.Is(err, mssp.ErrNotAsked) {
			t.Errorf("the certificate of another App: %v", err)
		}
		a.CertSerial = old.Serial
		if err := w.Answer(ctx, a); err != nil {
			t.Fatal(err)
		}
		if tx, err := w.store.Transaction(ctx, id); err != nil || tx.CertSerial != old.Serial {
			t.Errorf("signed with %+v, %v", tx, err)
		}
		w.signedBy(w.signature(id), &s.Devices[1])

		id = w.begin(s, profile(signum.ProfileDevice))
		w.awaitAll(id, 2)
		w.stop()
		w = newWorld(t, url, w)
		w.addPhones(s, silent)
		w.run()
		w.awaitAll(id, 2)
		if err := w.Answer(ctx, w.act(s.Devices[1].ID, id, phonetest.Approve)); err != nil {
			t.Fatal(err)
		}
		if tx, err := w.store.Transaction(ctx, id); err != nil || tx.CertSerial != renewed.Serial {
			t.Errorf("signed with %+v, %v", tx, err)
		}
	})
}

// If only some Apps can be reached, the others are asked. If none can, it is 209.
func TestSeveralAppsUnreachable(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addApps(1, 2, silent)
		lost := lostDevice{w.phones, s.Devices[0].ID}
		w.cfg.Channels[signum.App] = lost
		id := w.begin(s, profile(signum.ProfileDevice))
		w.awaitShown(id)
		if err := w.Answer(t.Context(), w.act(s.Devices[1].ID, id, phonetest.Approve)); err != nil {
			t.Fatal(err)
		}
		w.signedBy(w.signature(id), &s.Devices[1])
		if err := w.phones.Behave(s.MSISDN, phonetest.Unreachable); err != nil {
			t.Fatal(err)
		}
		if got := w.outcome(w.begin(s, profile(signum.ProfileDevice))); got != signum.OTAError {
			t.Errorf("nobody is reached: %d", got)
		}
	})
}

// lostDevice is a channel that cannot reach one device.
type lostDevice struct {
	mssp.Channel
	id string
}

func (c lostDevice) Send(ctx context.Context, r mssp.DeviceRequest) error {
	if r.DeviceID == c.id {
		return fmt.Errorf("switched off: %w", mssp.ErrUnreachable)
	}
	return c.Channel.Send(ctx, r)
}

// The session of app2app belongs to the account: any of its Apps can open it, and
// nothing is shown before.
func TestSeveralAppsApp2App(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParty(func(p *mssp.Party) { p.Services = everything })
		s := w.addApps(1, 2, silent)
		user := ""
		for range 2 {
			resp, err := w.ask(s, async, profile(signum.ProfileDevice),
				service(signum.AdditionalService{URI: signum.ServiceApp2App, RedirectURI: "myapp://back"}))
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range s.Devices {
				if w.shows(d.ID, resp.TransID) {
					t.Errorf("%s shows the request before it is opened", d.ID)
				}
			}
			_, id, _ := strings.Cut(resp.Services[0].AuthURI, "user_id=")
			if user != "" && user != id {
				t.Errorf("user_id %s, then %s", user, id)
			}
			user = id
			if _, err := w.phones.Open(resp.Services[0].AuthURI); err != nil {
				t.Fatal(err)
			}
			w.awaitShown(resp.TransID)
			var opened []*mssp.Device
			for i := range s.Devices {
				if w.shows(s.Devices[i].ID, resp.TransID) {
					opened = append(opened, &s.Devices[i])
				}
			}
			if len(opened) != 1 {
				t.Fatalf("%d Apps show the request", len(opened))
			}
			if err := w.Answer(t.Context(), w.act(opened[0].ID, resp.TransID, phonetest.Approve)); err != nil {
				t.Fatal(err)
			}
			w.signedBy(w.signature(resp.TransID), opened[0])
			// The first account serial names the account, not one of its devices.
			if err := w.store.UpdateSubscriber(t.Context(), s.MSISDN, func(x *mssp.Subscriber) error {
				x.Devices = x.Devices[1:]
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			s.Devices = s.Devices[1:]
		}
	})
}
