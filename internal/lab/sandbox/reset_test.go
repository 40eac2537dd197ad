package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/lab/world"
)

// Whatever a test did, a reset makes the users those of the start.
func TestReset(t *testing.T) {
	t.Parallel()
	const sim, app, fresh, cancels = "+41791000001", "+41791000002", "+41791000006", "+41791000003"
	f := newFixtureWith(t, Config{Users: []string{own}, Behaviours: map[string]person.Behaviour{cancels: {Do: person.Cancel}}})
	before, err := f.ListUsers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	serial := accountOf(t, f.Sandbox, sim).Serial

	added := f.put(scenario.User{Methods: twoKinds})
	f.put(scenario.User{MSISDN: "+4179001*", Methods: simOnly})
	if sign, _ := f.codes("rest", "+41790010000"); sign != 0 {
		t.Errorf("pattern: %d", sign)
	}
	f.put(scenario.User{MSISDN: app, Methods: appOnly, State: scenario.PINBlocked})
	if err := errors.Join(f.Sandbox.RemoveUser(t.Context(), own), f.Sandbox.RemoveUser(t.Context(), "+41791000005")); err != nil {
		t.Fatal(err)
	}
	if sign, _ := f.codes("rest", fresh); sign != 0 {
		t.Errorf("activated: %d", sign)
	}
	f.set(cancels, `{"behaviour": "approve", "location": "DE"}`)
	if err := f.Behave(sim, person.Behaviour{Do: person.WrongPIN}); err != nil {
		t.Fatal(err)
	}
	if sign, _ := f.codes("rest", sim); sign != 402 {
		t.Errorf("wrong PINs: %d", sign)
	}
	got, err := f.clients["rest"].Do(t.Context(), f.request("+41791000007", async))
	if err != nil {
		t.Fatal(err)
	}
	old := got.(*signum.SignatureResponse).TransID
	silent := f.addUser(person.Silent, signum.SIM)
	waiting := f.open(silent)

	if err := f.Sandbox.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, &signum.Fault{Code: 401}) {
		t.Errorf("an open request got %v", err)
	}
	after, err := f.ListUsers(t.Context())
	if err != nil || !slices.EqualFunc(before, after, sameUser) {
		t.Errorf("users %+v, %v, want %+v", after, err, before)
	}
	for msisdn, want := range map[string][2]signum.Code{
		sim: {0, 0}, app: {0, 0}, fresh: {404, 404}, cancels: {401, 0}, own: {0, 0}, "+41791000005": {0, 0}, added.MSISDN: {105, 105}, "+41790010000": {105, 105},
	} {
		var with []func(*request)
		if msisdn == fresh {
			with = append(with, basic)
		}
		if sign, profile := f.codes("soap", msisdn, with...); [2]signum.Code{sign, profile} != want {
			t.Errorf("%s: %d and %d, want %d", msisdn, sign, profile, want)
		}
	}
	if got := accountOf(t, f.Sandbox, sim).Serial; got != serial {
		t.Error("the account has another serial")
	}
	if at, err := f.Handsets.Locate(t.Context(), cancels); err != nil || at.Country != "CH" {
		t.Errorf("%+v, %v", at, err)
	}
	if err := f.outcome(t, "rest", old); !errors.Is(err, &signum.Fault{Code: 101}) {
		t.Errorf("an old outcome: %v", err)
	}
	for msisdn, want := range map[string]bool{own: true, added.MSISDN: false} {
		if _, ok := listed(t, f.Dir, msisdn); ok != want {
			t.Errorf("sandbox.json lists %s: %t", msisdn, ok)
		}
	}
}

// A reset in the middle of the work of others ends, and so does their work.
func TestResetUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, Config{Scenario: &scenario.Scenario{Users: []scenario.User{{MSISDN: "+4179001*"}}}})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 6 {
				f.codes(wires[i%2], fmt.Sprintf("+4179001000%d", j%3))
				f.codes(wires[i%2], "+41791000003")
			}
		})
		all.Go(func() {
			u := scenario.User{MSISDN: fmt.Sprintf("+4179001000%d", i), Methods: simOnly}
			_, err := f.PutUser(t.Context(), u)
			if err == nil {
				err = f.Sandbox.RemoveUser(t.Context(), u.MSISDN)
			}
			if err != nil && !errors.Is(err, world.ErrNoUser) { // after a reset
				t.Error(err)
			}
		})
	}
	for range 3 {
		if err := f.Sandbox.Reset(t.Context()); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	if err := f.Sandbox.Reset(t.Context()); err != nil {
		t.Error(err)
	}
	if sign, profile := f.codes("rest", "+41791000003"); sign != 0 || profile != 0 {
		t.Errorf("afterwards: %d and %d", sign, profile)
	}
}

// Users stay as they were asked for until the next run; what is of no use is refused.
func TestUsersNextRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box, stop := runUntil(t, Config{Dir: dir, Users: []string{own}})
	want := map[string]scenario.User{}
	for i, state := range scenario.States() {
		u := scenario.User{MSISDN: fmt.Sprintf("+4179123450%d", i), Methods: twoKinds, State: state}
		if _, err := box.PutUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		want[u.MSISDN] = u
	}
	for msisdn, u := range map[string]scenario.User{
		"+41791000001": {Methods: appOnly, Behaviour: "cancel"}, "+41791234567": {Methods: simOnly, KeyType: signum.RSA, Network: "26201"},
	} {
		u.MSISDN = msisdn
		if _, err := box.PutUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		want[msisdn] = u
	}
	if err := box.RemoveUser(t.Context(), "+41791000005"); err != nil {
		t.Fatal(err)
	}
	want["+41791000005"] = scenario.User{MSISDN: "+41791000005", Methods: simOnly, KeyType: signum.RSA, State: scenario.NoAccount}
	want[own] = scenario.User{MSISDN: own}
	stop()
	box = run(t, Config{Dir: dir})
	for msisdn, u := range want {
		got, err := box.GetUser(t.Context(), msisdn)
		if err != nil || !sameUser(got, u) {
			t.Errorf("%s: %+v, %v, want %+v", msisdn, got, err, u)
		}
	}
	if err := call(t, box, "+41791000001", signum.ProfileDevice); !errors.Is(err, &signum.Fault{Code: 401}) {
		t.Errorf("the behaviour: %v", err)
	}
}

// Where persons are the Apps, users are added without one, and a reset leaves the Apps that
// persons enrolled.
func TestUsersOfWebPhones(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, Config{WebPhones: true})
	u := f.put(scenario.User{Methods: twoKinds})
	app := func(r *request) { r.Profile = signum.ProfileDevice }
	if sign, _ := f.codes("rest", u.MSISDN, app); sign != 109 {
		t.Errorf("before somebody enrols: %d", sign)
	}
	const holder = "+41791000002"
	i, err := f.InviteTrusted(t.Context(), holder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.SoftApps.Enrol(t.Context(), i.Code, softapp.EnrolOptions{}); err != nil { // in place of a browser
		t.Fatal(err)
	}
	f.set(holder, `{"state": "PIN_BLOCKED"}`)
	if sign, _ := f.codes("rest", holder, app); sign != 402 {
		t.Errorf("blocked: %d", sign)
	}
	if err := f.Sandbox.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sign, _ := f.codes("rest", holder, app); sign != 0 {
		t.Errorf("after the reset: %d", sign)
	}
	if sign, _ := f.codes("rest", u.MSISDN); sign != 105 {
		t.Errorf("the user who was added: %d", sign)
	}
}
