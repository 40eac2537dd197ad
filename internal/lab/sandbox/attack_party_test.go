package sandbox

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// onScreen asks a user whose App only shows, and returns what it shows.
func (f *fixture) onScreen(msisdn string, ask func() (transID string)) softapp.Screen {
	f.t.Helper()
	id := ask()
	var shown softapp.Screen
	f.whenShown(msisdn, signum.App, id, func(id string) {
		d, err := f.SoftApps.Device(f.deviceID(msisdn, signum.App))
		if err != nil {
			f.t.Fatal(err)
		}
		shown, _ = d.Shown()
		if err := f.SoftApps.Decline(d.ID(), id); err != nil {
			f.t.Error(err)
		}
	})
	return shown
}

// shop adds a party, and returns what makes a request one of this party, for an App.
func (f *fixture) shop() func(*request) {
	f.t.Helper()
	p, err := f.Store.Party(f.t.Context(), APID)
	if err != nil {
		f.t.Fatal(err)
	}
	shop := *p
	shop.ID, shop.Name, shop.Logo = "mid://shop", "Shop", ""
	if err := f.Store.PutParty(f.t.Context(), &shop); err != nil {
		f.t.Fatal(err)
	}
	return func(r *request) { r.AP.ID, r.Profile = shop.ID, signum.ProfileDevice }
}

// TestAttackNameOfAnotherParty: a party tries to ask under the name of another one. The
// name on the phone is that of the party whose certificate and AP_ID the request has,
// whatever else the request says.
func TestAttackNameOfAnotherParty(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Silent, signum.App)
	shop := f.shop()
	for _, wire := range wires {
		r := f.request(msisdn, shop, async, func(r *request) {
			r.Data.Data = DTBDPrefix + "Requested by Example Bank"
			r.MSSP.URI = "urn:Example Bank"
		})
		screen := f.onScreen(msisdn, func() string { return f.sign(t, wire, r).TransID })
		if screen.Party != "Shop" {
			t.Errorf("%s: the phone names %q", wire, screen.Party)
		}
	}
	// Members that the contract does not have, at every level of the message.
	r := f.request(msisdn, shop, async)
	plain, err := json.Marshal(map[string]any{"MSS_SignatureReq": map[string]any{
		"MajorVersion": "1", "MinorVersion": "1", "MessagingMode": "asynchClientServer", "TimeOut": "80",
		"AP_Info":   map[string]any{"AP_ID": "mid://shop", "AP_PWD": "x", "AP_TransID": r.AP.TransID, "Instant": r.AP.Instant, "name": "Example Bank", "AP_Name": "Example Bank"},
		"MSSP_Info": map[string]any{"MSSP_ID": map[string]any{"URI": "http://mid.swisscom.ch/"}},
		"party":     map[string]any{"name": "Example Bank"}, "Party": "Example Bank", "Name": "Example Bank", "Logo": strings.Repeat("0", 64),
		"MobileUser":         map[string]any{"MSISDN": msisdn, "party": map[string]any{"name": "Example Bank"}},
		"DataToBeSigned":     map[string]any{"MimeType": "text/plain", "Encoding": "UTF-8", "Data": DTBDPrefix + "Log in?", "Party": "Example Bank"},
		"SignatureProfile":   signum.ProfileDevice,
		"AdditionalServices": []any{map[string]any{"Description": signum.ServiceUserLang, "UserLang": map[string]any{"Value": "EN"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	screen := f.onScreen(msisdn, func() string {
		status, answer, _ := f.asParty(http.MethodPost, "/rest/service/sign", string(plain), func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Party-Name", "Example Bank")
		})
		var got struct {
			Resp struct {
				TransID string `json:"MSSP_TransID"`
			} `json:"MSS_SignatureResp"`
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		return got.Resp.TransID
	})
	if screen.Party != "Shop" {
		t.Errorf("the phone names %q", screen.Party)
	}
}

// TestAttackEncryptedReceipt: the service cannot read an encrypted receipt, so a party
// could show anything in it, without its prefix. It takes a right of its own.
func TestAttackEncryptedReceipt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u := User{MSISDN: "+41795999999", Methods: []signum.Method{signum.SIM}, KeyType: signum.RSA, Network: "22801"}
	if err := f.AddUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	for _, soap := range []bool{false, true} {
		for party, allowed := range map[string]bool{APID: true, BasicAPID: false} {
			cfg := f.party.Config
			cfg.APID, cfg.SOAP, cfg.Now = party, soap, f.clock.Now
			c, err := client.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			resp, err := c.Sign(t.Context(), client.SignRequest{MSISDN: u.MSISDN, Text: DTBDPrefix + "Log in?", Lang: "en", Profile: signum.ProfileAuth1})
			if err != nil {
				t.Fatal(err)
			}
			sig, err := client.Verify(resp.Signature, f.party.UserRoots)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Receipt(t.Context(), client.ReceiptRequest{
				TransID: resp.TransID, MSISDN: u.MSISDN, Text: "Example Bank: your account is locked", Lang: "en", UserAck: true, EncryptTo: sig.Chain[0],
			})
			want := signum.Fault{Code: signum.WrongParam, Detail: "Encrypted receipts are not allowed for this AP"}
			if fault := signum.AsFault(err); allowed && err != nil || !allowed && (fault == nil || *fault != want) {
				t.Errorf("SOAP %t, %s: %v", soap, party, err)
			}
		}
	}
}

// TestAttackUnwantedRequest: a user is asked for what somebody else has started. Their
// "This was not me" tells the party and the operator, and no party can go on.
func TestAttackUnwantedRequest(t *testing.T) {
	t.Parallel()
	for _, wire := range wires {
		t.Run(wire, func(t *testing.T) {
			t.Parallel()
			log := new(testkit.Buffer)
			f := newFixtureWith(t, Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
			msisdn := f.addUser(person.Report, signum.App)
			ask := func(changes ...func(*request)) *signum.Fault {
				_, err := f.clients[wire].Do(t.Context(), f.request(msisdn, changes...))
				return signum.AsFault(err)
			}
			fault := ask()
			if fault == nil || fault.Code != signum.UserCancel || fault.Detail != "User cancelled the request (reported)" {
				t.Fatalf("the party is told %v", fault)
			}
			lines := strings.Count(log.String(), "a user reported a request")
			for _, want := range []string{"ap_id=" + APID, "msisdn=" + signum.MaskMSISDN(msisdn)} {
				if lines != 1 || !strings.Contains(log.String(), want) {
					t.Errorf("%d lines for the operator, and %q: %s", lines, want, log.String())
				}
			}
			if !strings.Contains(f.metrics(), `signum_requests_reported_total{asked_by="party"} 1`) {
				t.Error("the report is not counted")
			}
			f.behave(msisdn, person.Approve)
			second := f.shop()
			for _, change := range []func(*request){func(*request) {}, second} {
				if fault := ask(change); fault == nil || fault.Code != signum.PBSignatureProcess || fault.RetryAfter <= 0 || fault.RetryAfter > 10*time.Minute {
					t.Errorf("after the report: %v", fault)
				}
			}
			f.clock.Advance(10*time.Minute + time.Second)
			if fault := ask(second); fault != nil {
				t.Errorf("ten minutes later: %v", fault)
			}
		})
	}
}
