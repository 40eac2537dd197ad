package engine

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/password"
)

var (
	approves = phonetest.Approve
	silent   = phonetest.Silent
)

// verify checks a CMS as a party would and returns the text.
func (w *world) verify(der []byte) *cms.Result {
	w.t.Helper()
	sd, err := cms.Parse(der)
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(w.ca.Root())
	r, err := sd.Verify(cms.VerifyOptions{Roots: roots})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestSign(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		for i, k := range []signum.KeyType{signum.EC, signum.RSA} {
			s := w.addUser(i, approves, k, signum.SIM)
			resp, err := w.ask(s, func(r *signum.SignatureRequest) {
				r.MSISDN = "41 " + s.MSISDN[3:]
				r.AP.Instant = w.clock.Now().Add(time.Minute).In(time.FixedZone("", 7200)).Format(time.RFC3339Nano)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := w.verify(resp.Signature); string(got.Content) != "Bank: Login?" || got.Serial != s.Serial || !got.SigningTime.Equal(w.clock.Now()) {
				t.Errorf("signed %q by %s at %s", got.Content, got.Serial, got.SigningTime)
			}
			if resp.MSISDN != "41 "+s.MSISDN[3:] || resp.Profile != signum.ProfileSTK || resp.Status != signum.SignatureMade {
				t.Errorf("got %+v", resp)
			}
			if resp.AP.Instant != signum.FormatInstant(w.clock.Now().Add(time.Minute)) {
				t.Errorf("instant %s", resp.AP.Instant)
			}
			// The outcome of a synchronous call can be queried as well.
			st, err := w.Status(t.Context(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: resp.TransID})
			if err != nil || st.Status != signum.SignatureMade || string(st.Signature) != string(resp.Signature) || st.MSISDN != resp.MSISDN {
				t.Errorf("status: %+v, %v", st, err)
			}
		}
	})
}

// TestScenarios runs the table of profiles through the whole engine, for a party that
// is authorised for all profiles and has AuthProfile1 mapped to Any-LoA4.
func TestScenarios(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		profiles := []string{signum.ProfileAuth1, signum.ProfileAnyLoA4, signum.ProfileSTK, signum.ProfileDevice}
		stk, device := signum.ProfileSTK, signum.ProfileDevice
		for i, row := range []struct {
			name    string
			methods []signum.Method
			want    [4]any
		}{
			{"nothing active", nil, [4]any{105, 105, 105, 105}},
			{"SIM only", []signum.Method{signum.SIM}, [4]any{stk, stk, stk, 109}},
			{"App only", []signum.Method{signum.App}, [4]any{device, device, 109, device}},
			{"both", []signum.Method{signum.SIM, signum.App}, [4]any{stk, stk, stk, device}},
		} {
			s := w.addUser(i, approves, signum.EC, row.methods...)
			for j, uri := range profiles {
				var got any
				resp, err := w.ask(s, profile(uri))
				if err != nil {
					got = int(w.code(err))
				} else {
					w.verify(resp.Signature)
					got = resp.Profile
				}
				if got != row.want[j] {
					t.Errorf("%s, %s: got %v, want %v", row.name, uri, got, row.want[j])
				}
			}
		}
	})
}

func TestPhoneOutcomes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	for i, tt := range []struct {
		do   phonetest.Action
		want signum.Code
	}{
		{phonetest.Approve, 500}, {phonetest.Cancel, 401}, {phonetest.WrongPIN, 402}, {phonetest.Blocked, 402},
		{phonetest.BadSignature, 503}, {phonetest.Unreachable, 209}, {phonetest.NoKey, 404},
	} {
		for j, m := range []signum.Method{signum.SIM, signum.App} {
			s := w.addUser(2*i+j, tt.do, signum.EC, m)
			resp, err := w.ask(s)
			got := w.code(err)
			if err == nil {
				got = resp.Status
			}
			if got != tt.want {
				t.Errorf("%s on %s: got %d, want %d", tt.do, m, got, tt.want)
			}
			if resp != nil && (resp.Signature != nil) != (tt.want == 500) {
				t.Errorf("%s on %s: signature of %d bytes", tt.do, m, len(resp.Signature))
			}
			if tt.want == signum.PINBlocked {
				// The report of the device is kept until somebody unblocks the PIN.
				if _, err := w.ask(s); w.code(err) != signum.PINBlocked {
					t.Errorf("%s on %s, again: %v", tt.do, m, err)
				}
				if err := w.store.SetPINBlocked(t.Context(), s.Devices[0].ID, false); err != nil {
					t.Fatal(err)
				}
			}
			if got := w.await(w.begin(s)); got != tt.want {
				t.Errorf("%s on %s, asynchronous: got %d, want %d", tt.do, m, got, tt.want)
			}
		}
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, approves, signum.EC, signum.SIM)
		r := w.request(s)
		sign := func(change func(*signum.SignatureRequest)) error {
			again := *r
			change(&again)
			_, err := w.Sign(t.Context(), &mssp.Caller{Pin: testPin}, &again)
			return err
		}
		if err := sign(func(*signum.SignatureRequest) {}); err != nil {
			t.Fatal(err)
		}
		used := signum.Fault{Code: 101, Detail: "AP_TransID and Instant were used before"}
		for name, change := range map[string]func(*signum.SignatureRequest){
			"the same": func(*signum.SignatureRequest) {},
			"the same, otherwise written": func(r *signum.SignatureRequest) {
				at, _ := time.Parse(time.RFC3339, r.AP.Instant)
				r.AP.Instant = at.In(time.FixedZone("", 3600)).Format(time.RFC3339Nano)
			},
			"unknown profile":    profile("urn:none"),
			"wrong prefix":       func(r *signum.SignatureRequest) { r.Data.Data = "x" },
			"unknown subscriber": func(r *signum.SignatureRequest) { r.MSISDN = "+41790009999" },
		} {
			if flt := signum.AsFault(sign(change)); flt == nil || *flt != used {
				t.Errorf("%s: %v", name, flt)
			}
		}
		// Earlier checks come first, and a new Instant is a new call.
		if err := sign(func(r *signum.SignatureRequest) { r.Version.Major = "9" }); w.code(err) != 108 {
			t.Errorf("version: %v", err)
		}
		if err := sign(func(r *signum.SignatureRequest) { r.AP.Instant = signum.FormatInstant(w.clock.Now().Add(time.Second)) }); err != nil {
			t.Errorf("new Instant: %v", err)
		}
	})
}

func TestParties(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	w.putParty(func(p *mssp.Party) {
		p.ID, p.Pins, p.PasswordHash = "mid://other", []mssp.Pin{{2}, {3}}, password.Hash("open sesame")
	})
	credentials := signum.Fault{Code: 104, Detail: "Wrong SSL credentials"}
	ask := func(ap, pwd string, c mssp.Caller) error {
		r := w.request(s)
		r.AP.ID, r.AP.Password = ap, pwd
		_, err := w.Sign(t.Context(), &c, r)
		return err
	}
	for _, tt := range []struct {
		name, ap, pwd string
		c             mssp.Caller
		ok            bool
	}{
		{"own certificate", "mid://ap", "ignored", mssp.Caller{Pin: testPin}, true},
		{"password", "mid://other", "open sesame", mssp.Caller{Pin: mssp.Pin{2}}, true},
		{"second certificate", "mid://other", "open sesame", mssp.Caller{Pin: mssp.Pin{3}}, true},
		{"wrong password", "mid://other", "sesame", mssp.Caller{Pin: mssp.Pin{2}}, false},
		{"no password", "mid://other", "", mssp.Caller{Pin: mssp.Pin{2}}, false},
		{"another party's certificate", "mid://ap", "", mssp.Caller{Pin: mssp.Pin{2}}, false},
		{"unknown party", "mid://none", "", mssp.Caller{Pin: testPin}, false},
		{"unnamed party", "", "", mssp.Caller{Pin: testPin}, false},
		{"impossible party", "mid://\x00", "", mssp.Caller{Pin: testPin}, false},
		{"no certificate", "mid://ap", "", mssp.Caller{Problem: "none"}, false},
	} {
		err := ask(tt.ap, tt.pwd, tt.c)
		if flt := signum.AsFault(err); tt.ok && err != nil || !tt.ok && (flt == nil || *flt != credentials) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// A transaction of another party is treated like one that does not exist.
	id := w.begin(s)
	w.await(id)
	for _, id := range []string{id, "hnever", "", "a\x00b"} {
		h := w.header()
		h.AP.ID, h.AP.Password = "mid://other", "open sesame"
		_, err := w.Status(t.Context(), &mssp.Caller{Pin: mssp.Pin{2}}, &signum.StatusRequest{Header: h, TransID: id})
		want := signum.Fault{Code: 101, Detail: "There is no such transaction."}
		if id == "" {
			want = signum.Fault{Code: 102, Detail: "MSSP_TransID is missing"}
		}
		if flt := signum.AsFault(err); flt == nil || *flt != want {
			t.Errorf("status of %q: %v", id, err)
		}
	}
}

// brokenStore cannot read subscribers.
type brokenStore struct {
	mssp.Store
	err error
}

func (b brokenStore) Subscriber(context.Context, string) (*mssp.Subscriber, error) {
	return nil, b.err
}

func TestBrokenStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	w.cfg.Store = brokenStore{w.store, errAny}
	if _, err := w.ask(s); !errors.Is(err, errAny) || signum.AsFault(err) != nil {
		t.Errorf("got %v", err)
	}
}
