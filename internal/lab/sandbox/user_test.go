package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/mssp"
)

var (
	simOnly  = []signum.Method{signum.SIM}
	appOnly  = []signum.Method{signum.App}
	twoKinds = []signum.Method{signum.SIM, signum.App}
)

// number returns one that no other test has.
func (f *fixture) number() string {
	f.users++
	return fmt.Sprintf("+4178%07d", 5000000+f.users)
}

func (f *fixture) put(u scenario.User) scenario.User {
	f.t.Helper()
	if u.MSISDN == "" {
		u.MSISDN = f.number()
	}
	if _, err := f.PutUser(f.t.Context(), u); err != nil {
		f.t.Fatal(err)
	}
	return u
}

// set changes a user by a merge patch, as the control addresses do.
func (f *fixture) set(msisdn, patch string) {
	f.t.Helper()
	err := f.SetUser(f.t.Context(), msisdn, func(u *scenario.User) (map[string]bool, error) {
		members := make(map[string]any)
		if err := json.Unmarshal([]byte(patch), &members); err != nil {
			return nil, err
		}
		given := make(map[string]bool)
		for name := range members {
			given[name] = true
		}
		return given, json.Unmarshal([]byte(patch), u)
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// codes returns the codes of a signature and of a profile query; 0 stands for no fault.
func (f *fixture) codes(wire, msisdn string, changes ...func(*request)) (sign, profile signum.Code) {
	code := func(m signum.Request) signum.Code {
		_, err := f.clients[wire].Do(f.t.Context(), m)
		if flt := signum.AsFault(err); flt != nil {
			return flt.Code
		}
		if err != nil {
			f.t.Error(err)
		}
		return 0
	}
	r := f.request(msisdn, changes...)
	h := f.header()
	h.AP.ID, h.Version = r.AP.ID, signum.Version{Major: "2", Minor: "0"}
	profile = code(&signum.ProfileRequest{Header: h, MSISDN: msisdn}) // before a signature changes something
	return code(r), profile
}

// stateRows are what each state answers to a party with all rights and to one with few,
// which cannot use Apps and does not activate SIMs: signature and profile query.
var stateRows = []struct {
	state                      scenario.State
	sim, basic, app, both, few [2]signum.Code
}{
	{scenario.Active, [2]signum.Code{0, 0}, [2]signum.Code{0, 0}, [2]signum.Code{0, 0}, [2]signum.Code{0, 0}, [2]signum.Code{0, 0}},
	{scenario.NoAccount, [2]signum.Code{105, 105}, [2]signum.Code{105, 105}, [2]signum.Code{105, 105}, [2]signum.Code{105, 105}, [2]signum.Code{105, 105}},
	{scenario.Registered, [2]signum.Code{0, 0}, [2]signum.Code{404, 404}, [2]signum.Code{105, 105}, [2]signum.Code{0, 0}, [2]signum.Code{404, 404}},
	{scenario.Inactive, [2]signum.Code{105, 105}, [2]signum.Code{105, 105}, [2]signum.Code{105, 105}, [2]signum.Code{105, 105}, [2]signum.Code{105, 105}},
	{scenario.NoKey, [2]signum.Code{404, 404}, [2]signum.Code{404, 404}, [2]signum.Code{404, 404}, [2]signum.Code{404, 404}, [2]signum.Code{404, 404}},
	{scenario.PINBlocked, [2]signum.Code{402, 0}, [2]signum.Code{402, 0}, [2]signum.Code{402, 0}, [2]signum.Code{402, 0}, [2]signum.Code{402, 0}},
	{scenario.CertificateExpired, [2]signum.Code{422, 422}, [2]signum.Code{422, 422}, [2]signum.Code{422, 422}, [2]signum.Code{422, 422}, [2]signum.Code{422, 422}},
	{scenario.CertificateRevoked, [2]signum.Code{501, 404}, [2]signum.Code{501, 404}, [2]signum.Code{501, 404}, [2]signum.Code{501, 404}, [2]signum.Code{501, 404}},
	{scenario.Suspended, [2]signum.Code{403, 403}, [2]signum.Code{403, 403}, [2]signum.Code{403, 403}, [2]signum.Code{403, 403}, [2]signum.Code{403, 403}},
}

// Each state answers with its code: for a new user, for one who is put into the state,
// and with all phones. Afterwards the user can sign again.
func TestStates(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if len(stateRows) != len(scenario.States()) {
		t.Fatalf("%d rows, %d states", len(stateRows), len(scenario.States()))
	}
	for _, tt := range stateRows {
		t.Run(tt.state.Flag(), func(t *testing.T) {
			for methods, want := range map[string]struct{ full, basic [2]signum.Code }{
				"SIM": {tt.sim, tt.basic}, "App": {tt.app, [2]signum.Code{105, 105}}, "SIM App": {tt.both, tt.few},
			} {
				u := scenario.User{Methods: []signum.Method{}, State: tt.state}
				for _, m := range strings.Fields(methods) {
					u.Methods = append(u.Methods, signum.Method(m))
				}
				if tt.state == scenario.Suspended || tt.state == scenario.NoAccount {
					want.basic = want.full // they come before what a party may know
				}
				f.testState(t, f.put(u), want.full, want.basic)
				later := f.put(scenario.User{Methods: u.Methods})
				f.set(later.MSISDN, fmt.Sprintf(`{"state": %q}`, tt.state))
				later.State = tt.state
				f.testState(t, later, want.full, want.basic)
			}
		})
	}
}

func (f *fixture) testState(t *testing.T, u scenario.User, full, few [2]signum.Code) {
	t.Helper()
	got, err := f.GetUser(t.Context(), u.MSISDN)
	state := u.State
	if state == scenario.Registered && !slices.Contains(u.Methods, signum.SIM) {
		state = scenario.Active // an account without a phone, and nothing is wrong with it
	}
	if err != nil || got.State != state || !slices.Equal(got.Methods, u.Methods) {
		t.Errorf("%s %s: is %+v, %v", u.Methods, u.State, got, err)
	}
	for _, wire := range wires {
		if sign, profile := f.codes(wire, u.MSISDN, basic); [2]signum.Code{sign, profile} != few {
			t.Errorf("%s %s, few rights, %s: %d and %d, want %d", u.Methods, u.State, wire, sign, profile, few)
		}
	}
	for _, wire := range wires {
		if sign, profile := f.codes(wire, u.MSISDN); [2]signum.Code{sign, profile} != full {
			t.Errorf("%s %s, %s: %d and %d, want %d", u.Methods, u.State, wire, sign, profile, full)
		}
	}
	f.set(u.MSISDN, `{"state": "ACTIVE"}`)
	for _, m := range u.Methods {
		only := func(r *request) { r.Profile = mssp.MethodOf(m).Profile }
		if sign, profile := f.codes("rest", u.MSISDN, only); sign != 0 || profile != 0 {
			t.Errorf("%s, %s after %s: %d and %d", u.Methods, m, u.State, sign, profile)
		}
	}
}

// A change is only about what it names.
func TestSetUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u := f.put(scenario.User{Methods: simOnly})
	first := accountOf(t, f.Sandbox, u.MSISDN)
	f.set(u.MSISDN, `{"location": "DE"}`)
	f.set(u.MSISDN, `{"network": "26201"}`)
	f.set(u.MSISDN, `{"methods": ["SIM", "App"]}`)
	s := accountOf(t, f.Sandbox, u.MSISDN)
	if s.Serial != first.Serial || methods(s)[signum.SIM].ID != first.Devices[0].ID || methods(s)[signum.SIM].Network.MCC != "262" {
		t.Errorf("%+v", s)
	}
	for m, profile := range map[signum.Method]string{signum.SIM: signum.ProfileSTK, signum.App: signum.ProfileDevice} {
		if sign, _ := f.codes("soap", u.MSISDN, func(r *request) { r.Profile = profile }); sign != 0 {
			t.Errorf("%s: %d", m, sign)
		}
	}
	if at, err := f.Handsets.Locate(t.Context(), u.MSISDN); err != nil || at.Country != "DE" {
		t.Errorf("%+v, %v", at, err)
	}
	// Another kind of key is another card, so the account gets another serial number.
	f.set(u.MSISDN, `{"key_type": "RSA"}`)
	s = accountOf(t, f.Sandbox, u.MSISDN)
	if s.Serial == first.Serial || methods(s)[signum.SIM].KeyType != signum.RSA || methods(s)[signum.App] == nil {
		t.Errorf("%+v", s)
	}
	if sign, _ := f.codes("rest", u.MSISDN, func(r *request) { r.Profile = signum.ProfileAuth1RSA }); sign != 0 {
		t.Errorf("RSA: %d", sign)
	}
	if at, err := f.Handsets.Locate(t.Context(), u.MSISDN); err != nil || at.Country != "DE" {
		t.Errorf("with the new card: %+v, %v", at, err)
	}
	f.set(u.MSISDN, `{"methods": ["App"], "key_type": "", "network": ""}`)
	if s := accountOf(t, f.Sandbox, u.MSISDN); len(s.Devices) != 1 || s.Devices[0].Method != signum.App {
		t.Errorf("%+v", s)
	}
	if _, err := f.Handsets.Dialogue(u.MSISDN); err == nil {
		t.Error("the handset is still there")
	}
}

// What a removed user leaves is a number without an account.
func TestRemoveUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, methods := range [][]signum.Method{simOnly, appOnly, twoKinds, {}} {
		u := scenario.User{Methods: methods}
		if len(methods) > 0 {
			u.Behaviour = "silent"
		}
		u = f.put(u)
		var waiting chan error
		if len(methods) > 0 {
			waiting = f.open(u.MSISDN)
		}
		if err := f.Sandbox.RemoveUser(t.Context(), u.MSISDN); err != nil {
			t.Fatal(err)
		}
		if waiting != nil {
			if err := <-waiting; !errors.Is(err, &signum.Fault{Code: 105}) {
				t.Errorf("%s: the open request got %v", methods, err)
			}
		}
		for _, wire := range wires {
			if sign, profile := f.codes(wire, u.MSISDN); sign != 105 || profile != 105 {
				t.Errorf("%s, %s: %d and %d", methods, wire, sign, profile)
			}
		}
		if err := f.Sandbox.RemoveUser(t.Context(), u.MSISDN); !errors.Is(err, world.ErrNoUser) {
			t.Errorf("again: %v", err)
		}
		u.Behaviour = ""
		f.put(u) // with the behaviour and the phones of a new user
		if sign, _ := f.codes("rest", u.MSISDN); len(methods) > 0 && sign != 0 {
			t.Errorf("%s: added again: %d", methods, sign)
		}
	}
}

// open makes a request, and returns once the phone was asked.
func (f *fixture) open(msisdn string, changes ...func(*request)) chan error {
	f.t.Helper()
	answered := make(chan error, 1)
	go func() {
		_, err := f.clients["rest"].Do(f.t.Context(), f.request(msisdn, changes...))
		answered <- err
	}()
	for f.t.Context().Err() == nil {
		open, err := f.Store.SubscriberPending(f.t.Context(), msisdn)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(open) > 0 && f.shows(msisdn, open[0].Method, open[0].ID) {
			return answered
		}
		select {
		case err := <-answered:
			f.t.Fatalf("%s: %v", msisdn, err)
		default:
		}
	}
	return answered
}

// A user that cannot be is refused, and nothing changes.
func TestUserRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for want, u := range map[string]scenario.User{
		"not a phone number":             {MSISDN: "0791234567"},
		"test number":                    {MSISDN: "+41000092401"},
		"the key of an App is always EC": {Methods: appOnly, KeyType: signum.RSA},
		"only a SIM has a network":       {Methods: appOnly, Network: "22801"},
		"has no behaviour":               {Methods: []signum.Method{}, Behaviour: "cancel"},
		"has no location":                {Methods: []signum.Method{}, Location: "DE"},
		"active or suspended":            {Methods: []signum.Method{}, State: scenario.PINBlocked},
		"twice":                          {Methods: []signum.Method{signum.SIM, signum.SIM}},
	} {
		if u.MSISDN == "" {
			u.MSISDN = f.number()
		}
		_, err := f.PutUser(t.Context(), u)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := f.GetUser(t.Context(), u.MSISDN); err == nil {
			t.Errorf("%s: the user is there", want)
		}
	}
}
