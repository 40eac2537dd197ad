package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestFaults produces every reachable code over both wires, and checks that the client returns
// it.
func TestFaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	approver := f.addUser(person.Approve, signum.SIM)
	behaved := func(do person.Action) func(string) *request {
		return func(string) *request { return f.request(f.addUser(do, signum.SIM)) }
	}
	changed := func(how func(*mssp.Subscriber), changes ...func(*request)) func(string) *request {
		return func(string) *request {
			msisdn := f.addUser(person.Approve, signum.SIM)
			f.change(msisdn, how)
			return f.request(msisdn, changes...)
		}
	}
	wrong := func(how func(*request)) func(string) *request {
		return func(string) *request { return f.request(approver, how) }
	}
	detail := func(c signum.Code) string { return c.Detail() }
	for _, tt := range []struct {
		name   string
		code   signum.Code
		detail string
		make   func(wire string) *request
	}{
		{"heartbeat", 101, "Illegal msisdn", wrong(func(r *request) { r.MSISDN, r.Data.Data = "+41000000000", "anything" })},
		{"replay", 101, "AP_TransID and Instant were used before", func(wire string) *request {
			r := f.request(approver)
			if _, err := f.clients[wire].Do(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			return r
		}},
		{"clock skew", 101, "Instant differs from the time of the service by more than 5m0s", wrong(func(r *request) {
			r.AP.Instant = signum.FormatInstant(f.clock.Now().Add(-6 * time.Minute))
		})},
		{"language", 101, "UserLang is not one of en, de, fr, it", wrong(func(r *request) { r.Services[0].UserLang = "rm" })},
		{"no language", 102, "Additional service " + signum.ServiceUserLang + " is missing", wrong(func(r *request) { r.Services = nil })},
		{"no text", 102, "DataToBeSigned is missing", wrong(func(r *request) { r.Data.Data = "" })},
		{"text too long", 103, detail(103), wrong(func(r *request) { r.Data.Data += strings.Repeat("a", 239) })},
		{"unknown AP", 104, "Wrong SSL credentials", wrong(func(r *request) { r.AP.ID = "mid://unknown" })},
		{"service not subscribed", 104, detail(104), wrong(func(r *request) {
			basic(r)
			r.Services = append(r.Services, signum.AdditionalService{URI: signum.ServiceSubscriberInfo})
		})},
		{"unknown subscriber", 105, "MSISDN is unknown", wrong(func(r *request) { r.MSISDN = "+41799999999" })},
		{"App only, party without Apps", 105, "MSISDN is unknown", func(string) *request {
			return f.request(f.addUser(person.Approve, signum.App), basic)
		}},
		{"prefix", 107, "DTBD matching failed", wrong(func(r *request) { r.Data.Data = "Bank: x" })},
		{"version", 108, detail(108), wrong(func(r *request) { r.Version = signum.Version{Major: "3", Minor: "0"} })},
		{"profile", 109, detail(109), wrong(func(r *request) { r.Profile = "http://mid.swisscom.ch/Any-LoA5" })},
		{"profile not authorised", 109, detail(109), wrong(func(r *request) { basic(r); r.Profile = signum.ProfileAnyLoA4 })},
		{"approval by SIM", 109, detail(109), wrong(approval(signum.ProfileSTK))},
		{"approval without App", 109, detail(109), wrong(approval(signum.ProfileDevice))},
		{"malformed approval", 101, "INVALID_TXNAPPROVAL_PAYLOAD: invalid character 'S' looking for beginning of value", wrong(func(r *request) {
			r.Data.MimeType = signum.MimeTxnApproval
		})},
		{"approval without prefix", 107, detail(107), wrong(func(r *request) {
			approval(signum.ProfileDevice)(r)
			r.Data.Data = strings.Replace(r.Data.Data, DTBDPrefix, "", 1)
		})},
		{"approval too long", 103, detail(103), wrong(func(r *request) {
			approval(signum.ProfileDevice)(r)
			r.Data.Data = strings.Replace(r.Data.Data, DTBDPrefix, DTBDPrefix+strings.Repeat("x", 2000), 1)
		})},
		{"synchronous app2app", 101, "App2App needs the asynchronous messaging mode", wrong(func(r *request) {
			r.Services = append(r.Services, signum.AdditionalService{URI: signum.ServiceApp2App, RedirectURI: "myapp://x"})
		})},
		{"unknown service", 101, "Additional service is unknown", wrong(func(r *request) {
			r.Services = append(r.Services, signum.AdditionalService{URI: "urn:x"})
		})},
		{"test number", 208, detail(208), wrong(func(r *request) { r.MSISDN = "41000092208" })},
		{"test number of another party", 101, "Illegal msisdn", wrong(func(r *request) { basic(r); r.MSISDN = "+41000092208" })},
		{"test number that signs, of another party", 105, detail(105), wrong(func(r *request) { basic(r); r.MSISDN = "+41700092501" })},
		{"geofence", 450, "The geofencing policy is violated: country CH is not in countrywhitelist", func(string) *request {
			return f.request(f.addUser(person.Approve, signum.App), func(r *request) {
				r.Services = append(r.Services, signum.AdditionalService{URI: signum.ServiceGeofencing, Geofencing: &signum.GeofencingPolicy{CountryWhitelist: "DE,AT"}})
			})
		}},
		{"expired", 208, "Timed out waiting for an answer from user.", func(string) *request {
			r := behaved(person.Silent)("")
			go f.expireWhenOutstanding(r.MSISDN)
			return r
		}},
		{"unreachable", 209, detail(209), behaved(person.Unreachable)},
		{"cancelled", 401, "User cancelled the request", behaved(person.Cancel)},
		{"wrong PINs", 402, detail(402), behaved(person.WrongPIN)},
		{"blocked", 402, detail(402), behaved(person.Blocked)},
		{"suspended", 403, detail(403), changed(func(s *mssp.Subscriber) { s.State = mssp.SubscriberInactive })},
		{"no key on the card", 404, "Mobile user account needs to be activated", behaved(person.NoKey)},
		{"not activated", 404, "Mobile user account needs to be activated", changed(func(s *mssp.Subscriber) {
			s.Devices[0].State, s.Devices[0].Certificate = signum.DeviceRegistered, nil
		}, basic)},
		{"blocked, as is known", 402, detail(402), changed(func(s *mssp.Subscriber) { s.Devices[0].PINBlocked = true })},
		{"SIM busy", 406, "Signature request already in progress.", func(wire string) *request {
			r := behaved(person.Silent)("")
			if _, err := f.clients[wire].Do(t.Context(), f.request(r.MSISDN, async)); err != nil {
				t.Fatal(err)
			}
			return r
		}},
		{"certificate expired", 422, detail(422), changed(f.expire)},
		{"revoked", 501, detail(501), changed(func(s *mssp.Subscriber) {
			if err := f.CA.Revoke(t.Context(), s.Devices[0].Certificate.Serial, 1); err != nil {
				t.Fatal(err)
			}
		})},
		{"bad signature", 503, detail(503), behaved(person.BadSignature)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, wire := range wires {
				got, err := f.clients[wire].Do(t.Context(), tt.make(wire))
				want := signum.Fault{Code: tt.code, Detail: tt.detail}
				if flt := signum.AsFault(err); flt == nil || *flt != want {
					t.Errorf("%s: got %T, %v, want %v", wire, got, err, want.Error())
				}
			}
		})
	}
}

// expireWhenOutstanding waits for an outstanding transaction of a subscriber, and then lets its
// time run out.
func (f *fixture) expireWhenOutstanding(msisdn string) {
	ctx := f.t.Context()
	for ctx.Err() == nil {
		ts, err := f.Store.OutstandingTransactions(ctx, f.clock.Now(), "", 100)
		if err == nil && slices.ContainsFunc(ts, func(t *mssp.Transaction) bool { return t.MSISDN == msisdn }) {
			f.clock.Advance(81 * time.Second)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// expire gives a subscriber a certificate that has expired.
func (f *fixture) expire(s *mssp.Subscriber) {
	f.t.Helper()
	ctx, old := f.t.Context(), s.Devices[0].Certificate
	c := &mssp.Certificate{
		Serial: fmt.Sprintf("%x", calls.Add(1)+1e6), DeviceID: s.Devices[0].ID, State: mssp.CertificateIntended, TBS: []byte{0x30, 0},
		NotBefore: f.clock.Now().Add(-2 * time.Hour), NotAfter: f.clock.Now().Add(-time.Hour),
	}
	if err := errors.Join(f.Store.IntendCertificate(ctx, c), f.Store.CompleteCertificate(ctx, c.Serial, old.DER)); err != nil {
		f.t.Fatal(err)
	}
	s.Devices[0].Certificate = c
}

// TestAsynchronousFaults checks the answer to a status query for a failed transaction.
func TestAsynchronousFaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, tt := range []struct {
		do     person.Action
		code   signum.Code
		detail string
	}{
		{person.Unreachable, 209, signum.OTAError.Detail()},
		{person.Cancel, 401, "User cancelled the request"},
		{person.Blocked, 402, signum.PINBlocked.Detail()},
		{person.NoKey, 404, signum.NoKeyFound.Detail()},
		{person.BadSignature, 503, signum.InvalidSignature.Detail()},
		{person.Silent, 208, "Original request timed out."},
	} {
		for _, wire := range wires {
			got, err := f.clients[wire].Do(t.Context(), f.request(f.addUser(tt.do, signum.App), async))
			if err != nil {
				t.Fatal(err)
			}
			if tt.do == person.Silent {
				f.clock.Advance(81 * time.Second)
			}
			err = f.outcome(t, wire, got.(*signum.SignatureResponse).TransID)
			if flt := signum.AsFault(err); flt == nil || *flt != (signum.Fault{Code: tt.code, Detail: tt.detail}) {
				t.Errorf("%s, %s: got %v", tt.do, wire, err)
			}
		}
	}
	for _, wire := range wires {
		err := f.outcome(t, wire, "hnever")
		if flt := signum.AsFault(err); flt == nil || *flt != (signum.Fault{Code: 101, Detail: "There is no such transaction."}) {
			t.Errorf("%s: got %v", wire, err)
		}
	}
}

// outcome polls until a transaction has ended.
func (f *fixture) outcome(t *testing.T, wire, id string) error {
	t.Helper()
	for {
		got, err := f.clients[wire].Do(t.Context(), &signum.StatusRequest{Header: f.header(), TransID: id})
		if err != nil {
			return err
		}
		if got.(*signum.StatusResponse).Status != signum.OutstandingTransact {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSupersededApp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, wire := range wires {
		msisdn := f.addUser(person.Silent, signum.App)
		first, err := f.clients[wire].Do(t.Context(), f.request(msisdn, async))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.clients[wire].Do(t.Context(), f.request(msisdn, async)); err != nil {
			t.Fatal(err)
		}
		err = f.outcome(t, wire, first.(*signum.SignatureResponse).TransID)
		if !errors.Is(err, &signum.Fault{Code: 401}) {
			t.Errorf("%s: got %v", wire, err)
		}
	}
}
