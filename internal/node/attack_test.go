package node

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

const busy = "Signature request already in progress."

// TestAttackPushBombing: a party that sends one prompt after the other until the user
// gives in is stopped, and no other party notices.
func TestAttackPushBombing(t *testing.T) {
	a := newArena(t)
	victim := a.user(1, signum.App, phonetest.Silent)
	for _, soap := range []bool{false, true} {
		attacker, bank := a.party(fmt.Sprint("mid://attacker/", soap), soap), a.party(fmt.Sprint("mid://bank/", soap), soap)
		shown := 0
		for range 200 {
			err := a.asks(attacker, victim)
			if err == nil {
				shown++
				continue
			}
			if a.refused("one prompt too many", err, signum.InternalError, "Too many requests", 6*time.Second); t.Failed() {
				break
			}
		}
		if shown == 0 || shown > 20 {
			t.Errorf("SOAP %v: the phone showed %d prompts of 200", soap, shown)
		}
		a.clock.Advance(6 * time.Second)
		if err := a.asks(attacker, victim); err != nil {
			t.Errorf("SOAP %v: after the time of Retry-After: %v", soap, err)
		}
		a.clock.Advance(5 * time.Minute) // the last prompt has expired
		if err := a.asks(bank, victim); err != nil {
			t.Errorf("SOAP %v: another party: %v", soap, err)
		}
		a.clock.Advance(5 * time.Minute)
	}
}

// TestAttackPushBombingByMany: parties that act together cannot flood a phone either,
// even if its user answers every prompt.
func TestAttackPushBombingByMany(t *testing.T) {
	a := newArena(t)
	victim := a.user(1, signum.App, phonetest.Approve)
	shown := 0
	var last error
	for i := range 20 {
		attacker := a.party(fmt.Sprint("mid://attacker/", i), i%2 == 0)
		for range 10 {
			if last = a.signs(attacker, victim); last == nil {
				shown++
			}
		}
	}
	if shown == 0 || shown > 60 {
		t.Errorf("the phone showed %d prompts of 200", shown)
	}
	a.refused("one prompt too many", last, signum.PBSignatureProcess, busy, time.Second)
}

// TestAttackCoolDown: after three cancels nobody can ask the user for ten minutes, so
// that nobody is worn down into approving. The phone's method does not matter.
func TestAttackCoolDown(t *testing.T) {
	for _, m := range []signum.Method{signum.SIM, signum.App} {
		for _, soap := range []bool{false, true} {
			a := newArena(t)
			attacker, other := a.party("mid://attacker", soap), a.party("mid://other", !soap)
			victim, neighbour := a.user(1, m, phonetest.Cancel), a.user(2, m, phonetest.Approve)
			for i := range 3 {
				if f := signum.AsFault(a.signs(attacker, victim)); f == nil || f.Code != signum.UserCancel || f.RetryAfter != 0 {
					t.Fatalf("%s: prompt %d: %v, want 401", m, i, f)
				}
				a.clock.Advance(time.Minute)
			}
			for _, c := range []*client.Client{attacker, other} {
				a.refused("after three cancels", a.signs(c, victim), signum.PBSignatureProcess, busy, 7*time.Minute)
			}
			if err := a.signs(attacker, neighbour); err != nil {
				t.Errorf("%s: another user: %v", m, err)
			}
			if err := a.phones.Behave(victim.MSISDN, phonetest.Approve); err != nil {
				t.Fatal(err)
			}
			a.clock.Advance(7 * time.Minute)
			if err := a.signs(other, victim); err != nil {
				t.Errorf("%s: after the cool-down: %v", m, err)
			}
		}
	}
}

// TestAttackCoolDownByStranger: anybody can type a number at the portal. What its
// owner cancels there keeps no party from asking the owner.
func TestAttackCoolDownByStranger(t *testing.T) {
	a := newArena(t)
	bank, victim := a.party("mid://bank", false), a.user(1, signum.App, phonetest.Cancel)
	for i := range 10 {
		_, err := a.engine.Sign(t.Context(), &mssp.Caller{Pin: portalPin}, &signum.SignatureRequest{
			Header:        signum.Header{AP: signum.APInfo{ID: portalParty, TransID: fmt.Sprint("P", i), Instant: signum.FormatInstant(a.clock.Now())}},
			MessagingMode: signum.Synch, MSISDN: victim.MSISDN, Profile: signum.ProfileDevice,
			Data: signum.DataToBeSigned{Data: a.ServiceName() + ": log in?"},
		})
		if f := signum.AsFault(err); f == nil || f.Code != signum.UserCancel {
			t.Fatalf("log-in %d: %v, want 401", i, err)
		}
	}
	if err := a.phones.Behave(victim.MSISDN, phonetest.Approve); err != nil {
		t.Fatal(err)
	}
	if err := a.signs(bank, victim); err != nil {
		t.Errorf("a party: %v", err)
	}
}

// TestAttackOTPPumping: one-time passwords go to no number that earns money from them,
// and no party can fill a phone or the bill with them. Without an SMSC the network
// takes none: 209 means that one was on its way.
func TestAttackOTPPumping(t *testing.T) {
	a := newArena(t)
	for _, soap := range []bool{false, true} {
		c := a.party(fmt.Sprint("mid://attacker/", soap), soap)
		send := func(number string) error {
			_, err := c.Sign(t.Context(), client.SignRequest{MSISDN: number, Text: "Your code is 123456", Profile: signum.ProfileOTPText})
			return err
		}
		for _, number := range []string{
			"+19005551234", "+41900123456", "+41840123456", "+448712345678", "+491371234567",
			"+8821612345678", "+881612345678", "+870773123456", "+97912345678", "+37250123456",
		} {
			if f := signum.AsFault(send(number)); f == nil || f.Code != signum.WrongParam || f.Detail != "No one-time password may be sent to this number" {
				t.Errorf("%s: %v, want 101", number, f)
			}
		}
		sent := 0
		for range 100 {
			err := send("+41791110020")
			if f := signum.AsFault(err); f != nil && f.Code == signum.OTAError {
				sent++
				continue
			}
			if a.refused("one text too many", err, signum.InternalError, "Too many requests", time.Minute); t.Failed() {
				break
			}
		}
		if sent == 0 || sent > 10 {
			t.Errorf("%d texts of 100 to one number", sent)
		}
		sent = 0
		for i := range 300 {
			if f := signum.AsFault(send(fmt.Sprintf("+4179112%04d", i))); f != nil && f.Code == signum.OTAError {
				sent++
			}
		}
		if sent == 0 || sent > 150 {
			t.Errorf("%d texts to 300 numbers", sent)
		}
		a.clock.Advance(time.Hour)
	}
}

// TestAttackEnumeration: no party can find out which of many numbers have an account,
// neither by profile queries nor by requests that reach no phone. Such requests go on
// for users who have one.
func TestAttackEnumeration(t *testing.T) {
	a := newArena(t)
	user := a.user(1, signum.App, phonetest.Approve)
	for _, soap := range []bool{false, true} {
		c := a.party(fmt.Sprint("mid://attacker/", soap), soap)
		told := func(what string, ask func(number string) error) {
			t.Helper()
			n := 0
			var last error
			for i := range 300 {
				if last = ask(fmt.Sprintf("+4179222%04d", i)); signum.AsFault(last).Code == signum.UnknownClient {
					n++
				}
			}
			if n == 0 || n > 150 {
				t.Errorf("SOAP %v: %d of 300 numbers by %s", soap, n, what)
			}
			a.refused(what, last, signum.InternalError, "Too many requests", time.Second)
		}
		query := func(number string) error {
			_, err := c.Profile(t.Context(), number)
			return err
		}
		told("profile queries", query)
		a.refused("a number with an account", query(user.MSISDN), signum.InternalError, "Too many requests", time.Second)
		a.clock.Advance(time.Hour)
		told("signatures", func(number string) error {
			_, err := c.Sign(t.Context(), client.SignRequest{MSISDN: number, Text: "Log in?", Async: true})
			return err
		})
		// A profile that the user does not have would tell that there is an account.
		_, err := c.Sign(t.Context(), client.SignRequest{MSISDN: user.MSISDN, Text: "Log in?", Profile: signum.ProfileSTK})
		a.refused("a profile that the user lacks", err, signum.InternalError, "Too many requests", time.Second)
		if err := a.signs(c, user); err != nil {
			t.Errorf("SOAP %v: the user who is there: %v", soap, err)
		}
		a.clock.Advance(time.Hour)
	}
}

// TestAttackPartyFlood: the requests of one party are bounded, those of all kinds, and
// another party goes on.
func TestAttackPartyFlood(t *testing.T) {
	a := newArena(t)
	attacker, bank, user := a.party("mid://attacker", false), a.party("mid://bank", false), a.user(1, signum.App, phonetest.Approve)
	var err error
	for range 2000 {
		if err = a.asks(attacker, &mssp.Subscriber{MSISDN: "illegal"}); signum.AsFault(err).Code == signum.InternalError {
			break
		}
	}
	a.refused("requests", err, signum.InternalError, "Too many requests", time.Second)
	if err := a.signs(bank, user); err != nil {
		t.Errorf("another party: %v", err)
	}
}

// TestAttackForeignNetwork: a stolen certificate is of no use outside of the party's
// networks, and the answer does not tell why. The log does.
func TestAttackForeignNetwork(t *testing.T) {
	a := newArena(t)
	user := a.user(1, signum.App, phonetest.Approve)
	for _, soap := range []bool{false, true} {
		for network, code := range map[string]signum.Code{"192.0.2.0/24": signum.UnauthorizedAccess, "127.0.0.0/8": 0} {
			c := a.party(fmt.Sprint("mid://bank/", soap, network), soap, func(p *mssp.Party) {
				p.Limits.Networks = []netip.Prefix{netip.MustParsePrefix(network)}
			})
			err := a.signs(c, user)
			if code == 0 && err == nil {
				continue
			}
			if f := signum.AsFault(err); f == nil || f.Code != code || f.Detail != signum.DetailCredentials {
				t.Errorf("%s: %v, want %d", network, err, code)
			}
		}
	}
	if log := a.log.String(); !strings.Contains(log, "the party must not call from 127.0.0.1") {
		t.Errorf("the log does not say why: %s", log)
	}
}

// TestAttackOpenRequests: a party whose requests all wait for users keeps no other
// party from asking.
func TestAttackOpenRequests(t *testing.T) {
	a := newArena(t)
	few := func(p *mssp.Party) { p.Limits.MaxOpen = 2 }
	for _, soap := range []bool{false, true} {
		attacker, bank := a.party(fmt.Sprint("mid://attacker/", soap), soap, few), a.party(fmt.Sprint("mid://bank/", soap), soap)
		ctx, hangUp := context.WithCancel(t.Context())
		waiting := make(chan error)
		n := 10
		if soap {
			n = 20
		}
		for len(a.shown) > 0 {
			<-a.shown // what the phones showed for the other wire
		}
		for i := range 2 {
			silent := a.user(n+i, signum.App, phonetest.Silent)
			go func() {
				_, err := attacker.Sign(ctx, client.SignRequest{MSISDN: silent.MSISDN, Text: "Log in?"})
				waiting <- err
			}()
			<-a.shown
		}
		user := a.user(n+5, signum.App, phonetest.Approve)
		a.refused("one too many", a.signs(attacker, user), signum.InternalError, "Too many requests", time.Second)
		if err := a.signs(bank, user); err != nil {
			t.Errorf("another party: %v", err)
		}
		hangUp()
		for range 2 {
			<-waiting
		}
		// The service sees that the party hung up a little later.
		for ctx := t.Context(); ctx.Err() == nil; {
			err := a.signs(attacker, user)
			if f := signum.AsFault(err); f == nil || f.Detail != "Too many requests" {
				if err != nil {
					t.Errorf("after the others ended: %v", err)
				}
				break
			}
		}
	}
}
