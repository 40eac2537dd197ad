package portal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

const recoveryCode = "W4XD-9KQT-22MB-7HNP"

func (b *portalTab) recover(number, code string) (int, string) {
	b.t.Helper()
	return b.submit("/me/login/recovery", "/me/login/recovery", "number", number, "code", code)
}

// A user without any method returns with the recovery code: to an App, and to the end of
// the lost one, without a signature; and to nothing else.
func TestRecoveryLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		f.accounts[portalNumber].Devices[0].PINBlocked = true
		b := newPortalTab(t, p)
		_, page := b.recover(portalNumber, recoveryCode)
		if has(t, page, "You are logged in with the recovery code", "/me/device?id=app1"); b.at != "/me" {
			t.Fatalf("at %s", b.at)
		}
		_, page = b.submit("/me/app", "/me/app")
		has(t, page, "K7QZ-4MX9-2T")
		_, page = b.submit("/me/device?id=app1", "/me/device", "id", "app1")
		has(t, page, "The App was removed")
		if want := []string{"invite " + portalNumber, "revoke 4f1d22a90be71", "remove app1", "recheck " + portalNumber}; !slices.Equal(f.did, want) {
			t.Errorf("did %v", f.did)
		}
		for _, k := range f.consents {
			if k.DeviceID != "" || k.TransID != "" {
				t.Errorf("consent %+v", k)
			}
		}
		if len(f.requests()) != 0 || b.cookies[knownCookie] != nil {
			t.Error("a signature was asked for, or the browser is known")
		}
		for _, path := range []string{"/me/activity", "/me/recovery", "/me/recovery/code", "/me/consent"} {
			if code, page := b.open(path); code != http.StatusForbidden {
				t.Errorf("%s: %d\n%s", path, code, page)
			}
		}
		form := b.form("/me/app")
		form.Set("method", "app")
		if w := b.send("POST", "/me/recovery", form); w.Code != http.StatusForbidden {
			t.Errorf("a new recovery code: %d", w.Code)
		}
	})
}

func TestRecoveryLoginSuspended(t *testing.T) {
	f := newFakeWorld()
	f.accounts[portalNumber].State = mssp.SubscriberInactive
	b := newPortalTab(t, newTestPortal(t, f))
	if code, page := b.recover(portalNumber, recoveryCode); code != 403 || b.cookies[sessionCookie] != nil {
		t.Errorf("%d\n%s", code, page)
	}
}

// Guessing recovery codes takes an age, tells nothing about a number, and does not use
// up the tries of its owner.
func TestAttackRecoveryCodeGuessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		guess := func(remote, number, code string) (int, string) {
			b := newPortalTab(t, p)
			b.remote = remote
			status, page := b.recover(number, code)
			return status, strings.ReplaceAll(tokenField.ReplaceAllString(page, ""), number[1:], "")
		}
		for i := range recoveryTries + 3 {
			status, page := guess("192.0.2.1:1", portalNumber, fmt.Sprint("W4XD-9KQT-22MB-000", i))
			unknown, other := guess("192.0.2.1:1", "+41790000000", "W4XD-9KQT-22MB-7HNP")
			if status != unknown || page != other {
				t.Errorf("try %d: %d and %d\n%s\n%s", i, status, unknown, page, other)
			}
			if want := i < recoveryTries; (status == 422) != want || !want && status != 429 {
				t.Errorf("try %d: %d", i, status)
			}
		}
		if status, _ := guess("192.0.2.1:1", portalNumber, recoveryCode); status != 429 {
			t.Errorf("the code after too many tries: %d", status)
		}
		for i := range 100 { // from many networks
			guess(fmt.Sprintf("198.51.100.%d:1", i), portalNumber, "W4XD-9KQT-22MB-0000")
		}
		time.Sleep(time.Minute)
		if status, _ := guess("203.0.113.9:1", portalNumber, recoveryCode); status != 200 {
			t.Errorf("the owner: %d", status)
		}
	})
}

// The owner sees every session and ends the one that is not theirs.
func TestAttackStolenSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPortal(t, newFakeWorld())
		owner, other := loggedIn(t, p, portalNumber), loggedIn(t, p, otherNumber)
		thief := newPortalTab(t, p)
		thief.remote = "198.51.100.66:1"
		thief.header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
		thief.recover(portalNumber, recoveryCode)
		_, page := owner.open("/me/sessions")
		has(t, page, "Chrome, Linux", "198.51.100.66", "With the recovery code", "Unknown browser", "This one")
		if strings.Contains(page, owner.cookies[sessionCookie].Value) || strings.Count(page, `name="id"`) != 1 {
			t.Error(page)
		}
		id := p.sessions.peek(thief.cookies[sessionCookie].Value).id
		other.submit("/me/sessions", "/me/sessions", "id", id) // another user cannot
		if thief.open("/me"); thief.at != "/me" {
			t.Errorf("at %s", thief.at)
		}
		_, page = owner.submit("/me/sessions", "/me/sessions", "id", id)
		has(t, page, "The session was ended")
		if thief.open("/me"); thief.at != "/me/login?over" {
			t.Errorf("the thief is at %s", thief.at)
		}
		thief = loggedIn(t, p, portalNumber)
		owner.submit("/me/sessions", "/me/sessions", "id", "")
		if thief.open("/me"); thief.at != "/me/login?over" {
			t.Errorf("after all others ended, the thief is at %s", thief.at)
		}
		if owner.open("/me"); owner.at != "/me" {
			t.Errorf("the owner is at %s", owner.at)
		}
	})
}
