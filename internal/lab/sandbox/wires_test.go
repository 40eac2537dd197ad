package sandbox

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

func TestExample(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			narrator := NewNarrator(&out)
			box := run(t, Config{Store: store(t), Observe: narrator.Phone, PhoneDelay: 20 * time.Millisecond})
			if err := box.Example(t.Context(), narrator); err != nil {
				t.Error(err)
			}
			if n := bytes.Count(out.Bytes(), []byte("VERIFIED")); n != 2 {
				t.Errorf("%d verified signatures, want 2:\n%s", n, out.String())
			}
		})
	}
}

// TestAnswers checks every field of the answers, synchronous and asynchronous.
func TestAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, wire := range wires {
		for _, m := range []signum.Method{signum.SIM, signum.App} {
			t.Run(fmt.Sprint(wire, m), func(t *testing.T) {
				c := f.clients[wire]
				msisdn := f.addUser(person.Approve, m)
				r := f.request(msisdn, func(r *request) { r.MSISDN = strings.TrimPrefix(msisdn, "+") })
				got, err := c.Do(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				resp := got.(*signum.SignatureResponse)
				f.verify(resp.Signature, r.Data.Data)
				f.checkHeader(t, wire, resp.Header, r.Header)
				if resp.MSISDN != r.MSISDN || resp.Profile != mssp.MethodOf(m).Profile || resp.Status != signum.SignatureMade || resp.TransID == "" || resp.Services != nil {
					t.Errorf("got %+v", resp)
				}

				if err := f.Behave(msisdn, person.Behaviour{Do: person.Silent}); err != nil {
					t.Fatal(err)
				}
				r = f.request(msisdn, async)
				got, err = c.Do(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				resp = got.(*signum.SignatureResponse)
				f.checkHeader(t, wire, resp.Header, r.Header)
				if resp.Status != signum.RequestOK || resp.Signature != nil || resp.TransID == "" || resp.Profile != mssp.MethodOf(m).Profile {
					t.Errorf("got %+v", resp)
				}
				sr := &signum.StatusRequest{Header: f.header(), TransID: resp.TransID}
				st := f.status(t, wire, sr)
				f.checkHeader(t, wire, st.Header, sr.Header)
				if st.Status != signum.OutstandingTransact || st.Signature != nil || st.MSISDN != msisdn {
					t.Errorf("got %+v", st)
				}
				f.enterPIN(msisdn, m, resp.TransID)
				for st.Status == signum.OutstandingTransact {
					st = f.status(t, wire, &signum.StatusRequest{Header: f.header(), TransID: resp.TransID})
				}
				f.verify(st.Signature, r.Data.Data)
			})
		}
	}
}

func (f *fixture) status(t *testing.T, wire string, r *signum.StatusRequest) *signum.StatusResponse {
	t.Helper()
	got, err := f.clients[wire].Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got.(*signum.StatusResponse)
}

func (f *fixture) checkHeader(t *testing.T, wire string, got, asked signum.Header) {
	t.Helper()
	want := asked.AP
	if wire == "rest" {
		want.Password = "" // JSON answers do not repeat it
	}
	if got.AP != want || got.MSSP.URI != "mid://signum/sandbox" || (got.Version != signum.Version{Major: "1", Minor: "1"}) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if at, err := time.Parse("2006-01-02T15:04:05.000Z", got.MSSP.Instant); err != nil || f.clock.Now().Sub(at).Abs() > time.Minute {
		t.Errorf("instant of the MSSP: %s", got.MSSP.Instant)
	}
}

// TestScenarios covers the scenario table over both wires, for a party that may use all profiles and
// for which AuthProfile1 is mapped to Any-LoA4.
func TestScenarios(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.putParty(func(p *mssp.Party) { p.AuthProfile1 = signum.ProfileAnyLoA4 })
	profiles := []string{signum.ProfileAuth1, signum.ProfileAnyLoA4, signum.ProfileSTK, signum.ProfileDevice}
	stk, device := signum.ProfileSTK, signum.ProfileDevice
	for _, row := range []struct {
		name    string
		methods []signum.Method
		want    [4]string
	}{
		{"nothing active", nil, [4]string{"105", "105", "105", "105"}},
		{"SIM only", []signum.Method{signum.SIM}, [4]string{stk, stk, stk, "109"}},
		{"App only", []signum.Method{signum.App}, [4]string{device, device, "109", device}},
		{"both", []signum.Method{signum.SIM, signum.App}, [4]string{stk, stk, stk, device}},
	} {
		msisdn := f.addUser(person.Approve, row.methods...)
		for i, profile := range profiles {
			for _, wire := range wires {
				got, err := f.clients[wire].Do(t.Context(), f.request(msisdn, func(r *request) { r.Profile = profile }))
				var outcome string
				if flt := signum.AsFault(err); flt != nil {
					outcome = fmt.Sprint(int(flt.Code))
				} else if err != nil {
					t.Fatal(err)
				} else {
					resp := got.(*signum.SignatureResponse)
					f.verify(resp.Signature, DTBDPrefix+"Grüezi & <willkommen> \"€\"?")
					outcome = resp.Profile
				}
				if outcome != row.want[i] {
					t.Errorf("%s, %s, %s: got %s, want %s", row.name, profile, wire, outcome, row.want[i])
				}
			}
		}
	}
}

// TestCredentials covers the authentication of the party by its certificate.
func TestCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	own := f.party.Config.TLS.Certificates[0]
	rotated, foreign := selfSigned(t, x509.ExtKeyUsageClientAuth), selfSigned(t, x509.ExtKeyUsageClientAuth)
	serverOnly := selfSigned(t, x509.ExtKeyUsageServerAuth)
	others := selfSigned(t, x509.ExtKeyUsageClientAuth)
	chain := tls.Certificate{Certificate: slices.Concat(own.Certificate, foreign.Certificate), PrivateKey: own.PrivateKey}
	f.putParty(func(p *mssp.Party) {
		p.Pins = append(slices.Clone(p.Pins), mssp.PinOf(rotated.Certificate[0]), mssp.PinOf(serverOnly.Certificate[0]))
	})
	if err := f.Store.PutParty(t.Context(), &mssp.Party{ID: "mid://other", Pins: []mssp.Pin{mssp.PinOf(others.Certificate[0])}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		conf *tls.Config
		ok   bool
	}{
		{"own", f.tlsWith(own), true},
		{"rotated", f.tlsWith(rotated), true},
		{"TLS 1.2", func() *tls.Config { c := f.tlsWith(own); c.MaxVersion = tls.VersionTLS12; return c }(), true},
		{"none", f.tlsWith(), false},
		{"foreign", f.tlsWith(foreign), false},
		{"another party's", f.tlsWith(others), false},
		{"not for clients", f.tlsWith(serverOnly), false},
		{"with a chain", f.tlsWith(chain), false},
	} {
		for _, wire := range wires {
			c := f.client(wire, tt.conf)
			for _, call := range []signum.Request{f.request(msisdn), &signum.StatusRequest{Header: f.header(), TransID: "hnever"}} {
				_, err := c.Do(t.Context(), call)
				flt := signum.AsFault(err)
				denied := flt != nil && *flt == signum.Fault{Code: 104, Detail: "Wrong SSL credentials"}
				if denied == tt.ok {
					t.Errorf("%s, %s, %s: got %v", tt.name, wire, call.Operation(), err)
				}
			}
			c.Close()
		}
	}
}
