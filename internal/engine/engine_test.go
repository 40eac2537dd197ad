package engine

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
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

// TestScenarios is the scenario table with the whole engine: the party is
// authorised for all profiles and AuthProfile1 is mapped to Any-LoA4.
func TestScenarios(t *testing.T) {
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
				// What the device reported is recorded, until somebody unblocks the PIN.
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

func TestBusySIM(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, silent, signum.EC, signum.SIM, signum.App)
		first := w.begin(s)
		if _, err := w.ask(s); w.code(err) != signum.PBSignatureProcess {
			t.Errorf("second on the SIM: %v", err)
		}
		app := w.begin(s, profile(signum.ProfileDevice)) // another device
		if got := w.outcome(first); got != signum.OutstandingTransact {
			t.Errorf("first: %d", got)
		}
		// An overdue transaction does not block the next one, swept or not.
		w.clock.Advance(81 * time.Second)
		w.begin(s)
		if got := w.outcome(first); got != signum.ExpiredTransaction {
			t.Errorf("first: %d", got)
		}
		if got := w.outcome(app); got != signum.ExpiredTransaction {
			t.Errorf("app, after its 40 s: %d", got)
		}
	})
}

func TestAppSupersedes(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, silent, signum.EC, signum.App)
		first := make(chan error, 1)
		go func() {
			_, err := w.ask(s)
			first <- err
		}()
		<-w.shown
		second := w.begin(s)
		if err := <-first; w.code(err) != signum.UserCancel {
			t.Errorf("first: %v", err)
		}
		w.awaitShown(second)
		if err := w.phones.Act(s.Devices[0].ID, second, phonetest.Approve); err != nil {
			t.Fatal(err)
		}
		if got := w.await(second); got != signum.SignatureMade {
			t.Errorf("second: %d", got)
		}
	})
}

func TestExpiry(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.run()
		for i, tt := range []struct {
			method  signum.Method
			timeout string
			life    time.Duration
		}{
			{signum.SIM, "", 80 * time.Second}, {signum.App, "", 40 * time.Second}, {signum.SIM, "300", 300 * time.Second}, {signum.App, "15", 15 * time.Second},
		} {
			s := w.addUser(i, silent, signum.EC, tt.method)
			limit := func(r *signum.SignatureRequest) { r.TimeOut = tt.timeout }
			done := make(chan error, 1)
			id := w.begin(s, limit)
			w.awaitShown(id)
			w.clock.Advance(tt.life - time.Millisecond)
			if got := w.outcome(id); got != signum.OutstandingTransact {
				t.Errorf("%s %s, just before: %d", tt.method, tt.timeout, got)
			}
			w.clock.Advance(time.Millisecond)
			if got := w.await(id); got != signum.ExpiredTransaction {
				t.Errorf("%s %s: %d", tt.method, tt.timeout, got)
			}
			go func() {
				_, err := w.ask(s, limit)
				done <- err
			}()
			<-w.shown
			w.clock.Advance(tt.life)
			if flt := signum.AsFault(<-done); flt == nil || *flt != (signum.Fault{Code: 208, Detail: "Timed out waiting for an answer from user."}) {
				t.Errorf("synchronous: %v", flt)
			}
			_, err := w.Status(t.Context(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: id})
			if flt := signum.AsFault(err); flt == nil || flt.Detail != "Original request timed out." {
				t.Errorf("status: %v", err)
			}
		}
	})
}

func TestRestart(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s1 := w.addUser(1, silent, signum.EC, signum.SIM)
		s2 := w.addUser(2, silent, signum.EC, signum.App)
		goesOn, runsOut := w.begin(s1), w.begin(s2)
		w.stop()

		w.clock.Advance(50 * time.Second) // the App's 40 s are over
		w = newWorld(t, url, w)
		w.addPhones(s1, approves)
		w.addPhones(s2, approves)
		w.run()
		if got := w.await(goesOn); got != signum.SignatureMade {
			t.Errorf("handed over again: %d", got)
		}
		if got := w.await(runsOut); got != signum.ExpiredTransaction {
			t.Errorf("overdue: %d", got)
		}
	})
}

func TestOtherNode(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		a := newWorld(t, url, nil)
		s := a.addUser(1, silent, signum.EC, signum.SIM)
		b := newWorld(t, url, a)
		b.addPhones(s, approves)
		a.run()
		done := make(chan *signum.SignatureResponse, 1)
		go func() {
			resp, err := a.ask(s)
			if err != nil {
				t.Error(err)
			}
			done <- resp
		}()
		<-a.shown
		b.run() // recovery hands the transaction to b's phone, which approves
		if resp := <-done; resp != nil {
			a.verify(resp.Signature)
		}
	})
}

func TestAnswers(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		ctx := t.Context()
		s := w.addUser(1, silent, signum.EC, signum.SIM)
		id := w.begin(s)
		cancel := mssp.DeviceAnswer{TransID: id, DeviceID: s.Devices[0].ID, Fault: signum.NewFault(signum.UserCancel)}

		other := cancel
		other.DeviceID = "9-SIM"
		if err := w.Answer(ctx, other); !errors.Is(err, ErrForeignDevice) {
			t.Errorf("answer of another device: %v", err)
		}
		if err := w.Answer(ctx, mssp.DeviceAnswer{TransID: "none"}); !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("answer to nothing: %v", err)
		}
		if got := w.outcome(id); got != signum.OutstandingTransact {
			t.Errorf("after foreign answers: %d", got)
		}
		if err := w.Answer(ctx, cancel); err != nil {
			t.Error(err)
		}
		late := cancel
		late.Fault = signum.NewFault(signum.PINBlocked)
		if err := w.Answer(ctx, late); err != nil {
			t.Errorf("late answer: %v", err)
		}
		if got := w.outcome(id); got != signum.UserCancel {
			t.Errorf("the first answer decides: %d", got)
		}

		// An answer after the expiry is late, even if no sweep has run.
		id = w.begin(s)
		w.clock.Advance(80 * time.Second)
		if err := w.Answer(ctx, mssp.DeviceAnswer{TransID: id, DeviceID: s.Devices[0].ID, Fault: signum.NewFault(signum.UserCancel)}); err != nil {
			t.Error(err)
		}
		if got := w.outcome(id); got != signum.ExpiredTransaction {
			t.Errorf("overdue: %d", got)
		}
	})
}

func TestRevoked(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, silent, signum.EC, signum.SIM)
		id := w.begin(s)
		w.awaitShown(id)
		if err := w.ca.Revoke(t.Context(), s.Devices[0].Certificate.Serial, 1); err != nil {
			t.Fatal(err)
		}
		if err := w.phones.Act(s.Devices[0].ID, id, phonetest.Approve); err != nil {
			t.Fatal(err)
		}
		if got := w.await(id); got != signum.RevokedCertificate {
			t.Errorf("revoked while asked: %d", got)
		}
		resp, err := w.ask(s)
		if err != nil || resp.Status != signum.RevokedCertificate || resp.Signature != nil || resp.TransID == "" {
			t.Errorf("revoked before: %+v, %v", resp, err)
		}
		if got := w.outcome(w.begin(s)); got != signum.RevokedCertificate {
			t.Errorf("asynchronous: %d", got)
		}
		if n := len(w.shown); n != 0 {
			t.Errorf("%d more texts were shown", n)
		}
	})
}

func TestHangUp(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, silent, signum.EC, signum.SIM)
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := w.Sign(ctx, &mssp.Caller{Pin: testPin}, w.request(s))
		done <- err
	}()
	id := <-w.shown
	hangUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := w.phones.Act(s.Devices[0].ID, id, phonetest.Approve); err != nil {
		t.Fatal(err)
	}
	if got := w.await(id); got != signum.SignatureMade {
		t.Errorf("the transaction goes on: %d", got)
	}
	if n := len(w.waiters.ids()); n != 0 {
		t.Errorf("%d waiters left", n)
	}
}

func TestReplay(t *testing.T) {
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
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	hash := sha256.Sum256([]byte("open sesame"))
	w.putParty(func(p *mssp.Party) {
		p.ID, p.Pins, p.PasswordHash = "mid://other", []mssp.Pin{{2}, {3}}, hash[:]
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

func TestRetention(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	id := w.begin(s)
	w.await(id)
	w.clock.Advance(time.Hour - time.Second)
	if err := w.purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.outcome(id); got != signum.SignatureMade {
		t.Errorf("before the hour: %d", got)
	}
	w.clock.Advance(2 * time.Second)
	if err := w.purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.outcome(id); got != signum.WrongParam {
		t.Errorf("after the hour: %d", got)
	}
	if _, err := New(Config{Store: w.store, Channels: w.cfg.Channels, Retention: time.Minute}); err == nil {
		t.Error("a retention that lets calls be replayed was accepted")
	}
}

// brokenStore fails where it is told to.
type brokenStore struct {
	mssp.Store
	err error
}

func (b brokenStore) Subscriber(context.Context, string) (*mssp.Subscriber, error) {
	return nil, b.err
}

func TestBrokenStore(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	w.cfg.Store = brokenStore{w.store, errAny}
	if _, err := w.ask(s); !errors.Is(err, errAny) || signum.AsFault(err) != nil {
		t.Errorf("got %v", err)
	}
}
