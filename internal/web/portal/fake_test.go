package portal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/account"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/prompt"
)

// fakeWorld implements everything behind the portal.
type fakeWorld struct {
	mu       sync.Mutex
	accounts map[string]*mssp.Subscriber
	recent   []*mssp.Transaction
	parties  map[string]string // names by AP_ID
	err      error             // result of every call of store, Apps and CA
	panics   string            // prefix of the call that panics with the lock held

	signed  signum.Code   // answer to a request; 0: 100
	signErr error         // the request is refused
	answer  func() error  // result of a status query; nil: signed
	after   time.Duration // how long a request is outstanding
	asked   map[string]time.Time
	signs   []*signum.SignatureRequest
	callers []mssp.Caller
	did     []string // calls that change something

	told     []mssp.Change
	notices  map[string]*mssp.Notice // by code
	barred   bool                    // the card of every SIM
	full     bool                    // no account may have a further App
	apps     map[string]*mssp.AppDevice
	signer   string          // device that signs; empty: the first with the method
	consents []*mssp.Consent // all that were given
	open     *mssp.Consent   // the one that was not taken

	moreSigns *sync.Cond
}

func newFakeWorld() *fakeWorld {
	until := time.Date(2029, 5, 4, 10, 0, 0, 0, time.UTC)
	account := func(number, serial, suffix string) *mssp.Subscriber {
		return &mssp.Subscriber{MSISDN: number, Serial: serial, State: mssp.SubscriberActive, RecoveryCodeCreated: true, Devices: []mssp.Device{
			{ID: "app" + suffix, Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC,
				Certificate: &mssp.Certificate{Serial: "4f1d22a90be7" + suffix, State: mssp.CertificateGood, NotAfter: until}},
			{ID: "sim" + suffix, Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.RSA, Network: signum.Network{Name: "Sandbox Mobile"},
				Certificate: &mssp.Certificate{Serial: "7c03b91e44d1" + suffix, State: mssp.CertificateGood, NotAfter: until}},
		}}
	}
	f := &fakeWorld{
		accounts: map[string]*mssp.Subscriber{
			portalNumber: account(portalNumber, "MIDCHE2X7K9QWER1", "1"), otherNumber: account(otherNumber, "MIDCHEAAAABBBB12", "2"),
		},
		asked: map[string]time.Time{},
		apps: map[string]*mssp.AppDevice{
			"app1": {DeviceID: "app1", Name: "Lena's phone", LastSeen: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Enrolled: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)},
			"app2": {DeviceID: "app2", Name: "<script>"},
		},
	}
	f.moreSigns = sync.NewCond(&f.mu)
	return f
}

// awaitSigns waits for the n-th request.
func (f *fakeWorld) awaitSigns(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.signs) < n {
		f.moreSigns.Wait()
	}
}

// requests returns what phones were asked to sign so far, while requests may be under way.
func (f *fakeWorld) requests() []*signum.SignatureRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.signs)
}

func (f *fakeWorld) Sign(_ context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signs, f.callers = append(f.signs, r), append(f.callers, *c)
	f.moreSigns.Broadcast()
	f.mayPanic("Sign")
	if f.signErr != nil {
		return nil, f.signErr
	}
	if f.accounts[r.MSISDN] == nil {
		return nil, signum.NewFault(signum.UnknownClient)
	}
	if f.signed != 0 {
		return &signum.SignatureResponse{TransID: "h", Status: f.signed}, nil
	}
	id := "h" + r.AP.TransID
	f.asked[id] = time.Now()
	resp := &signum.SignatureResponse{TransID: id, Status: signum.RequestOK}
	if slices.ContainsFunc(r.Services, func(s signum.AdditionalService) bool { return s.URI == signum.ServiceVerification }) {
		resp.Services = []signum.ServiceResponse{{URI: signum.ServiceVerification, VerificationCode: pickCode}}
	}
	return resp, nil
}

// set changes what happens from now on, while requests may be under way.
func (f *fakeWorld) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeWorld) Status(_ context.Context, _ *mssp.Caller, r *signum.StatusRequest) (*signum.StatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	age := time.Since(f.asked[r.TransID])
	switch {
	case age >= prompt.Timeout:
		return nil, signum.Faultf(signum.ExpiredTransaction, signum.DetailTimeoutStatus)
	case age < f.after:
		return &signum.StatusResponse{Status: signum.OutstandingTransact}, nil
	case f.answer != nil:
		if err := f.answer(); err != nil {
			return nil, err
		}
	}
	return &signum.StatusResponse{Status: signum.SignatureMade, Signature: []byte{1}}, nil
}

func (f *fakeWorld) Subscriber(_ context.Context, n string) (*mssp.Subscriber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mayPanic("Subscriber")
	if f.err != nil {
		return nil, f.err
	}
	s := f.accounts[n]
	if s == nil {
		return nil, mssp.ErrNotFound
	}
	c := *s
	c.Devices = slices.Clone(s.Devices)
	return &c, nil
}

func (f *fakeWorld) ReopenDevice(_ context.Context, id string) error {
	if f.barred {
		return mssp.ErrCardState
	}
	return f.do("reopen " + id)
}

func (f *fakeWorld) App(_ context.Context, id string) (*mssp.AppDevice, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.apps[id]; a != nil {
		return a, f.err
	}
	return nil, mssp.ErrNotFound
}

func (f *fakeWorld) Party(_ context.Context, id string) (*mssp.Party, error) {
	if f.err != nil {
		return nil, f.err
	}
	if name, ok := f.parties[id]; ok {
		return &mssp.Party{ID: id, Name: name}, nil
	}
	return nil, mssp.ErrNotFound
}

// Recheck records that what waits for an account was checked again.
func (f *fakeWorld) Recheck(_ context.Context, msisdn string) error {
	return f.do("recheck " + msisdn)
}

// Transaction returns one that the device signed which signs with the profile.
func (f *fakeWorld) Transaction(_ context.Context, id string) (*mssp.Transaction, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.signs {
		if "h"+r.AP.TransID != id {
			continue
		}
		for _, d := range f.accounts[r.MSISDN].Devices {
			if mssp.ProfileOf(r.Profile).Admits(d.Method) && (f.signer == "" || f.signer == d.ID) {
				return &mssp.Transaction{ID: id, DeviceID: d.ID, MSISDN: r.MSISDN}, f.err
			}
		}
	}
	return nil, mssp.ErrNotFound
}

func (f *fakeWorld) PutConsent(_ context.Context, c *mssp.Consent) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.consents = append(f.consents, c)
	f.open = c
	return f.err
}

func (f *fakeWorld) Consent(context.Context, string, mssp.ConsentKind, string, time.Time) (*mssp.Consent, error) {
	panic("not used")
}

func (f *fakeWorld) TakeConsent(_ context.Context, n string, k mssp.ConsentKind, subject string, _ time.Time) (*mssp.Consent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.open
	if f.open = nil; c == nil || c.MSISDN != n || c.Kind != k || c.Subject != subject {
		return nil, mssp.ErrNotFound
	}
	return c, f.err
}

func (f *fakeWorld) VoidChanges(_ context.Context, n string) error { return f.do("void " + n) }

func (f *fakeWorld) RecentTransactions(_ context.Context, n string, limit int) ([]*mssp.Transaction, error) {
	return f.recent[:min(limit, len(f.recent))], f.err
}

func (f *fakeWorld) do(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, call)
	f.mayPanic(call)
	return f.err
}

func (f *fakeWorld) mayPanic(call string) {
	if f.panics != "" && strings.HasPrefix(call, f.panics) {
		panic("the fake breaks in " + call)
	}
}

func (f *fakeWorld) SetSubscriberState(_ context.Context, n string, s mssp.SubscriberState) error {
	err := f.do("state " + n + " " + string(s))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts[n].State = s
	return err
}

func (f *fakeWorld) EndDevice(_ context.Context, id string, why mssp.DeviceEnd, _ time.Time) error {
	return f.do("end " + id + " by " + string(why))
}
func (f *fakeWorld) Remove(_ context.Context, id string) error { return f.do("remove " + id) }

func (f *fakeWorld) Revoke(_ context.Context, serial string, reason int) error {
	return f.do("revoke " + serial)
}

func (f *fakeWorld) Invite(_ context.Context, n string, trusted bool) (string, time.Time, error) {
	if !trusted {
		return "", time.Time{}, errors.New("not trusted")
	}
	return "K7QZ4MX92T", time.Now().Add(15 * time.Minute), f.do("invite " + n)
}

func (f *fakeWorld) Full(*mssp.Subscriber) bool { return f.full }

func (f *fakeWorld) SetRecovery(_ context.Context, n string) (string, error) {
	return "W4XD-9KQT-22MB-7HNP", f.do("recovery " + n)
}

func (f *fakeWorld) CheckRecovery(_ context.Context, n, code string) (bool, error) {
	return f.accounts[n] != nil && code == "W4XD-9KQT-22MB-7HNP", f.err
}

func (f *fakeWorld) Notify(_ context.Context, c mssp.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, c)
}

func (f *fakeWorld) ByCode(_ context.Context, code string) (*mssp.Notice, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.notices[code]; n != nil {
		return n, f.err
	}
	return nil, mssp.ErrNotFound
}

func (f *fakeWorld) Object(_ context.Context, n *mssp.Notice) (account.Undone, error) {
	return account.AppRemoved, f.do("object " + n.ID)
}
