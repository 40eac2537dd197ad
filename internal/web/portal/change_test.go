package portal

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// changes are the changes that need a signature of their own.
var changesOfAccount = []struct {
	page, action, text string
	kind               mssp.ConsentKind
	subject            string
}{
	{"/me/app", "/me/app", "Add a phone to your account?", mssp.ConsentAddApp, ""},
	{"/me/recovery", "/me/recovery", "Create a new recovery code", mssp.ConsentRecovery, ""},
	{"/me/device?id=app1", "/me/device", "Remove the App Lenas phone from your account?", mssp.ConsentRemove, "app1"},
	{"/me/device?id=sim1", "/me/device", "Switch off signing with your SIM?", mssp.ConsentRemove, "sim1"},
}

// A stranger whose log-in the owner approved has a session and nothing else: each
// change asks the phone again, by a text that names the change.
func TestAttackApprovedLoginHandsOverNothing(t *testing.T) {
	answers := map[string]func(*fakeWorld){
		"no answer": func(f *fakeWorld) { f.after = time.Hour },
		"cancelled": func(f *fakeWorld) { f.answer = func() error { return signum.NewFault(signum.UserCancel) } },
		"blocked":   func(f *fakeWorld) { f.answer = func() error { return signum.NewFault(signum.PINBlocked) } },
		"not asked": func(f *fakeWorld) { f.signErr = signum.NewFault(signum.PBSignatureProcess) },
		"revoked":   func(f *fakeWorld) { f.signed = signum.RevokedCertificate },
	}
	for _, x := range changesOfAccount {
		for name, answer := range answers {
			t.Run(string(x.kind)+" "+x.subject+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFakeWorld()
					p := newTestPortal(t, f)
					stranger := loggedIn(t, p, portalNumber)
					answer(f)
					code, body := stranger.sign(x.page, x.action, "id", x.subject)
					if last := f.requests()[len(f.requests())-1]; !strings.Contains(last.Data.Data, x.text) || last.MSISDN != portalNumber {
						t.Errorf("the phone shows %q", last.Data.Data)
					}
					for range 10 { // however often the page is opened
						time.Sleep(10 * time.Second)
						stranger.send("GET", "/me/consent", nil)
						stranger.send("GET", "/me/app/code", nil)
						stranger.send("GET", "/me/recovery/code", nil)
					}
					if len(f.did) != 0 || len(f.consents) != 0 || code != 200 {
						t.Errorf("%d, did %v, consents %v\n%s", code, f.did, f.consents, body)
					}
				})
			})
		}
	}
}

// A user whose account has as many Apps as it may have is not asked for a signature that
// leads to nothing.
func TestNoSignatureForOneAppTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		b := loggedIn(t, newTestPortal(t, f), portalNumber)
		form := b.form("/me/app")
		form.Set("method", "app")
		asked := len(f.requests())
		f.full = true
		for _, w := range []*httptest.ResponseRecorder{b.send("GET", "/me/app", nil), b.send("POST", "/me/app", form)} {
			if w.Code != 409 || !strings.Contains(w.Body.String(), "No more phones") {
				t.Errorf("%d\n%s", w.Code, w.Body)
			}
		}
		time.Sleep(statusPause)
		if len(f.requests()) != asked || len(f.did) != 0 {
			t.Errorf("the phone was asked %d times; did %v", len(f.requests())-asked, f.did)
		}
	})
}

// With its signature, a change is made once, and by a consent that names it.
func TestConsents(t *testing.T) {
	for _, x := range changesOfAccount {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeWorld()
			b := loggedIn(t, newTestPortal(t, f), portalNumber)
			b.sign(x.page, x.action, "id", x.subject)
			did := len(f.did)
			if len(f.consents) != 1 || did == 0 {
				t.Fatalf("%s: did %v, consents %v", x.page, f.did, f.consents)
			}
			k := f.consents[0]
			if k.Kind != x.kind || k.Subject != x.subject || k.MSISDN != portalNumber || k.DeviceID != "app1" || k.TransID == "" || k.Expires.Sub(k.Given) != mssp.ConsentFor {
				t.Errorf("%s: consent %+v", x.page, k)
			}
			if b.open("/me/consent"); b.at != "/me" || len(f.did) != did || len(f.consents) != 1 {
				t.Errorf("%s: again: at %s, did %v", x.page, b.at, f.did)
			}
		})
	}
}

// A SIM consents with a code that the page does not show.
func TestConsentBySIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		b := loggedIn(t, newTestPortal(t, f), portalNumber)
		_, page := b.submit("/me/app", "/me/app", "method", "sim")
		has(t, page, "Your phone now shows a text that ends with a code")
		time.Sleep(statusPause)
		if b.open("/me/consent"); len(f.did) != 0 {
			t.Fatal("without the code:", f.did)
		}
		code := f.simCode(t)
		b.submit("/me/consent", "/me/consent/code", "code", "1")
		_, page = b.submit("/me/consent", "/me/consent/code", "code", code)
		if has(t, page, "K7QZ-4MX9-2T"); f.consents[0].DeviceID != "sim1" {
			t.Errorf("consent %+v", f.consents[0])
		}
	})
}

// A new App cannot change the account for a day if there is an older method, so that a
// thief who got one added gains nothing before the owner has had time to object.
func TestAttackNewAppChangesAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		a := f.accounts[portalNumber]
		a.Devices = append(a.Devices, mssp.Device{ID: "new", Method: signum.App, State: signum.DeviceActive, Certificate: a.Devices[0].Certificate})
		f.apps["new"] = &mssp.AppDevice{DeviceID: "new", Enrolled: time.Now()}
		f.signer = "new"
		for _, x := range changesOfAccount {
			b := loggedIn(t, p, portalNumber)
			_, page := b.sign(x.page, x.action, "id", x.subject)
			if has(t, page, "added less than 24 hours ago", "Nothing was changed"); len(f.did) != 0 || len(f.consents) != 0 {
				t.Errorf("%s: did %v", x.page, f.did)
			}
			time.Sleep(5 * time.Minute)
		}
		b := loggedIn(t, p, portalNumber)
		f.signer = "app1"
		if b.sign("/me/app", "/me/app"); len(f.did) != 1 {
			t.Errorf("the older App: did %v", f.did)
		}
		f.signer, f.did = "new", nil
		for i := range a.Devices[:2] {
			a.Devices[i].State = signum.DeviceInactive
		}
		if b.sign("/me/app", "/me/app"); len(f.did) != 1 {
			t.Errorf("without an older method: did %v", f.did)
		}
		a.Devices[0].State = signum.DeviceActive
		time.Sleep(24 * time.Hour)
		b = loggedIn(t, p, portalNumber)
		if b.sign("/me/app", "/me/app"); len(f.did) != 2 {
			t.Errorf("a day later: did %v", f.did)
		}
	})
}

// "This was not me" about a change ends all sessions of the account, because one of them
// is not the owner's, and with them what they had allowed but not made yet.
func TestAttackReportedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		stranger, second, other := loggedIn(t, p, portalNumber), loggedIn(t, p, portalNumber), loggedIn(t, p, otherNumber)
		f.set(func() { f.answer = func() error { return errReported } })
		stranger.sign("/me/app", "/me/app")
		for _, b := range []*portalTab{stranger, second} {
			if b.open("/me"); b.at != "/me/login" && b.at != "/me/login?over" {
				t.Errorf("at %s", b.at)
			}
		}
		if other.open("/me"); other.at != "/me" || !slices.Equal(f.did, []string{"void " + portalNumber}) {
			t.Errorf("another user is at %s, did %v", other.at, f.did)
		}
	})
}

// A session cannot make the phone ring without end, and a poll does not prolong it.
func TestConsentLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.set(func() { f.answer = func() error { return signum.NewFault(signum.UserCancel) } })
		p := newTestPortal(t, f)
		f.set(func() { f.answer = nil })
		b := loggedIn(t, p, portalNumber)
		f.set(func() { f.after = time.Hour })
		asked := len(f.requests())
		for range changesPerNumber {
			b.submit("/me/app", "/me/app", "method", "app")
		}
		code, page := b.submit("/me/app", "/me/app", "method", "app")
		synctest.Wait()
		if has(t, page, "Too many attempts"); code != http.StatusTooManyRequests || len(f.requests())-asked != changesPerNumber {
			t.Errorf("%d, asked %d times", code, len(f.requests())-asked)
		}
		for range 10 {
			time.Sleep(sessionIdle / 10)
			if w := b.send("GET", "/me/consent/status", nil); w.Code != 200 && w.Code != 403 {
				t.Errorf("poll: %d", w.Code)
			}
		}
		if b.open("/me"); b.at != "/me/login?over" {
			t.Errorf("at %s", b.at)
		}
	})
}

// A SIM that has ended is opened by a signature of another method, or by the recovery
// code; the consent stays for the activation, which uses it up. An active SIM and an App
// cannot be opened.
func TestReopenSIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		b := loggedIn(t, p, portalNumber)
		for _, id := range []string{"sim1", "app1", "sim2", ""} {
			if code, _ := b.open("/me/device/activate?id=" + id); code != 404 {
				t.Errorf("%q: %d", id, code)
			}
		}
		f.accounts[portalNumber].Devices[1].State = signum.DeviceInactive
		_, page := b.open("/me")
		has(t, page, "/me/device/activate?id=sim1")
		_, page = b.sign("/me/device/activate?id=sim1", "/me/device/activate", "id", "sim1")
		if has(t, page, "The SIM can be activated again"); !slices.Equal(f.did, []string{"reopen sim1"}) || f.open == nil {
			t.Errorf("did %v, consent %v", f.did, f.open)
		}
		if k := f.open; k.Kind != mssp.ConsentActivate || k.Subject != "sim1" || k.DeviceID != "app1" || !strings.Contains(f.requests()[1].Data.Data, "SIM on again") {
			t.Errorf("consent %+v after %q", k, f.requests()[1].Data.Data)
		}
		f.barred = true
		_, page = b.sign("/me/device/activate?id=sim1", "/me/device/activate", "id", "sim1")
		has(t, page, "Your operator has blocked this card")
		f.barred = false
		b = newPortalTab(t, p)
		b.recover(portalNumber, recoveryCode)
		_, page = b.submit("/me/device/activate?id=sim1", "/me/device/activate", "id", "sim1")
		if has(t, page, "The SIM can be activated again"); f.open.DeviceID != "" {
			t.Errorf("consent %+v", f.open)
		}
	})
}
