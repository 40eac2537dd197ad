package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// modelLimits are low, so that each is reached. All rates give one more every 10 s.
var modelLimits = Limits{
	Party: mssp.PartyLimits{
		MaxOpen: 2, Requests: every10s(8), Statuses: every10s(2), Profiles: every10s(3), Unknown: every10s(2), PerNumber: every10s(2),
	},
	Number: every10s(3), Cancels: 2, CancelPeriod: time.Minute,
}

func every10s(burst int) mssp.Rate { return mssp.Rate{PerMinute: 6, Burst: burst} }

// tokens are what is left of a rate: the plainest form of a bucket.
type tokens struct {
	left  time.Duration // 10 s for each use
	since time.Time
}

// limitModel says what the limits together do to each call.
type limitModel struct {
	w       *world
	parties []string // the last one is the service's own
	users   []*mssp.Subscriber
	unknown *mssp.Subscriber

	open    map[string]int
	rates   map[string]*tokens
	cancels map[string][]time.Time
	phones  map[string]*asking
	turns   map[string]turn
}

// asking is the request on a phone.
type asking struct {
	id, party string
	expires   time.Time
}

// TestLimitsModel: random calls of several parties to several numbers, with cancels,
// reports and steps of time in between. Each is let in, refused or made to wait as the
// limits of their own say, taken one after another.
func TestLimitsModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	parties := []string{"mid://ap", "mid://other", "mid://own"}
	w.putParties(parties...)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		w.limited(modelLimits)
		w.turns = newTurns()
		m := &limitModel{w: w, parties: parties, unknown: &mssp.Subscriber{MSISDN: "+41798888888"}, open: make(map[string]int),
			rates: make(map[string]*tokens), cancels: make(map[string][]time.Time), phones: make(map[string]*asking), turns: make(map[string]turn)}
		for range 2 {
			run++
			m.users = append(m.users, w.addUser(run, silent, signum.EC, signum.App))
		}
		rt.Repeat(map[string]func(*rapid.T){
			"sign": m.sign, "sign again": m.sign, "sign once more": m.sign, "answer": m.answer, "status": m.status, "profile": m.profile, "unknown": m.strange,
			"hold": m.hold, "let go": m.letGo, "time": m.pass,
		})
		for p, n := range m.open {
			for range n {
				w.leave(&mssp.Party{ID: p})
			}
		}
	})
}

func (m *limitModel) now() time.Time { return m.w.clock.Now() }

func (m *limitModel) own(party string) bool { return party == m.parties[2] }

// bucket returns what is left of a rate now.
func (m *limitModel) bucket(name, key string, r mssp.Rate) *tokens {
	most := time.Duration(r.Burst) * 10 * time.Second
	b := m.rates[name+" "+key]
	if b == nil {
		b = &tokens{most, m.now()}
		m.rates[name+" "+key] = b
	}
	b.left, b.since = min(most, b.left+m.now().Sub(b.since)), m.now()
	return b
}

// take uses one up, and returns how long to wait if all are used.
func (m *limitModel) take(name, key string, r mssp.Rate) time.Duration {
	b := m.bucket(name, key, r)
	if b.left < 10*time.Second {
		return 10*time.Second - b.left
	}
	b.left -= 10 * time.Second
	return 0
}

// verdict is what a call must get: code 0 if it is let in.
type verdict struct {
	code signum.Code
	wait time.Duration
}

func (v verdict) check(rt *rapid.T, what string, err error) {
	f := signum.AsFault(err)
	if v.code == 0 && err == nil {
		return
	}
	if f == nil || f.Code != v.code || f.RetryAfter.Round(time.Millisecond) != v.wait {
		rt.Fatalf("%s: %v (%#v), must be %d after %s", what, err, f, v.code, v.wait)
	}
}

func (m *limitModel) enter(party, name string, r mssp.Rate) verdict {
	if m.own(party) {
		return verdict{}
	}
	if m.open[party] >= 2 {
		return verdict{signum.InternalError, time.Second}
	}
	if wait := m.take(name, party, r); wait > 0 {
		return verdict{signum.InternalError, wait}
	}
	return verdict{}
}

// ask is what the limits say to a request that was let in and has a phone.
func (m *limitModel) ask(party, number string) verdict {
	if m.own(party) {
		return verdict{}
	}
	if c := m.cancels[number]; len(c) >= 2 {
		if until := c[len(c)-2].Add(time.Minute); until.After(m.now()) {
			return verdict{signum.PBSignatureProcess, until.Sub(m.now())}
		}
	}
	if wait := m.take("one number", party+number, modelLimits.Party.PerNumber); wait > 0 {
		return verdict{signum.InternalError, wait}
	}
	if wait := m.take("number", number, modelLimits.Number); wait > 0 {
		return verdict{signum.PBSignatureProcess, wait}
	}
	if t := m.turns[number]; t.holder == party && t.until.After(m.now()) {
		return verdict{signum.PBSignatureProcess, t.until.Sub(m.now())}
	}
	return verdict{}
}

// place is what the phone says: it may be busy.
func (m *limitModel) place(party, number string) verdict {
	x := m.phones[number]
	switch {
	case x == nil:
	case !x.expires.After(m.now()):
		m.end(number, x.expires)
	case x.party == party || m.own(party):
		m.end(number, m.now())
	default:
		if !m.own(x.party) {
			m.turns[number] = turn{x.party, x.expires.Add(turnPause)}
		}
		return verdict{code: signum.PBSignatureProcess}
	}
	if m.turns[number].holder != party {
		delete(m.turns, number)
	}
	return verdict{}
}

func (m *limitModel) end(number string, at time.Time) {
	x := m.phones[number]
	delete(m.phones, number)
	if t, ok := m.turns[number]; ok && t.holder == x.party && at.Before(t.until) {
		m.turns[number] = turn{x.party, at.Add(turnPause)}
	}
}

func (m *limitModel) party(rt *rapid.T) string { return rapid.SampledFrom(m.parties).Draw(rt, "party") }

func (m *limitModel) sign(rt *rapid.T) {
	party, s := m.party(rt), rapid.SampledFrom(m.users).Draw(rt, "user")
	want := m.enter(party, "requests", modelLimits.Party.Requests)
	if want.code == 0 {
		want = m.ask(party, s.MSISDN)
	}
	if want.code == 0 {
		want = m.place(party, s.MSISDN)
	}
	resp, err := m.w.ask(s, as(party), async, func(r *signum.SignatureRequest) { r.TimeOut = "60" })
	want.check(rt, party+" asks "+s.MSISDN, err)
	if err == nil {
		m.phones[s.MSISDN] = &asking{resp.TransID, party, m.now().Add(time.Minute)}
	}
}

// strange asks for the signature of a number that has no account.
func (m *limitModel) strange(rt *rapid.T) {
	party := m.party(rt)
	want := m.enter(party, "requests", modelLimits.Party.Requests)
	if want.code == 0 {
		want = m.told(party)
	}
	_, err := m.w.ask(m.unknown, as(party), async)
	want.check(rt, party+" asks a number without an account", err)
}

func (m *limitModel) told(party string) verdict {
	if !m.own(party) {
		if wait := m.take("unknown", party, modelLimits.Party.Unknown); wait > 0 {
			return verdict{signum.InternalError, wait}
		}
	}
	return verdict{code: signum.UnknownClient}
}

func (m *limitModel) profile(rt *rapid.T) {
	party, s := m.party(rt), rapid.SampledFrom(append(slices.Clone(m.users), m.unknown)).Draw(rt, "user")
	want := m.enter(party, "profiles", modelLimits.Party.Profiles)
	if want.code == 0 && !m.own(party) {
		if b := m.bucket("unknown", party, modelLimits.Party.Unknown); b.left < 10*time.Second {
			want = verdict{signum.InternalError, 10*time.Second - b.left}
		}
	}
	if want.code == 0 && s == m.unknown {
		want = m.told(party)
	}
	r := &signum.ProfileRequest{Header: m.w.header(), MSISDN: s.MSISDN}
	r.AP.ID = party
	_, err := m.w.Profile(context.Background(), &mssp.Caller{Pin: testPin}, r)
	want.check(rt, party+" wants the profile of "+s.MSISDN, err)
}

func (m *limitModel) status(rt *rapid.T) {
	party := m.party(rt)
	want := m.enter(party, "statuses", modelLimits.Party.Statuses)
	if want.code == 0 {
		want.code = signum.WrongParam
	}
	r := &signum.StatusRequest{Header: m.w.header(), TransID: "none"}
	r.AP.ID = party
	_, err := m.w.Status(context.Background(), &mssp.Caller{Pin: testPin}, r)
	want.check(rt, party+" wants a status", err)
}

// answer ends the request on a phone: the user cancels, reports it, or the signature is
// wrong, which has nothing to do with what the user wants.
func (m *limitModel) answer(rt *rapid.T) {
	s := rapid.SampledFrom(m.users).Draw(rt, "user")
	x := m.phones[s.MSISDN]
	if x == nil || !x.expires.After(m.now()) {
		rt.Skip("nothing on the screen")
	}
	a := mssp.DeviceAnswer{Op: mssp.OpSign, TransID: x.id, DeviceID: s.Devices[0].ID}
	strikes := 0
	switch rapid.SampledFrom([]string{"cancel", "cancel", "report", "wrong"}).Draw(rt, "how") {
	case "cancel":
		a.Fault, strikes = signum.NewFault(signum.UserCancel), 1
	case "report":
		a.Fault, a.Reported, strikes = signum.NewFault(signum.UserCancel), true, 2
	case "wrong":
		a.Signature = []byte{1}
	}
	if err := m.w.Answer(context.Background(), a); err != nil {
		rt.Fatal(err)
	}
	m.end(s.MSISDN, m.now())
	if !m.own(x.party) {
		m.cancels[s.MSISDN] = append(m.cancels[s.MSISDN], slices.Repeat([]time.Time{m.now()}, strikes)...)
	}
}

// hold lets a request in that stays open, as a synchronous one does.
func (m *limitModel) hold(rt *rapid.T) {
	party := m.party(rt)
	want := m.enter(party, "requests", modelLimits.Party.Requests)
	h := m.w.header()
	h.AP.ID = party
	_, err := m.w.enter(context.Background(), &mssp.Caller{Pin: testPin}, signum.OpSignature, &h)
	want.check(rt, party+" comes in", err)
	if err == nil {
		m.open[party]++
	}
}

func (m *limitModel) letGo(rt *rapid.T) {
	party := m.party(rt)
	if m.open[party] == 0 {
		rt.Skip("none is open")
	}
	m.open[party]--
	m.w.leave(&mssp.Party{ID: party})
}

func (m *limitModel) pass(rt *rapid.T) {
	m.w.clock.Advance(time.Duration(rapid.SampledFrom([]int{1, 2, 2, 3, 5, 14}).Draw(rt, "steps")) * 5 * time.Second)
}
