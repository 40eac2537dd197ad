package client

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

func TestServiceAccessors(t *testing.T) {
	if got := Location(wantServices); got != wantServices[0].Geofencing {
		t.Error(got)
	}
	if got := AuthURI(wantServices); got != "mobileid://auth?a=b&c=d" {
		t.Error(got)
	}
	if got := MCCMNC(wantServices); got != "22801" {
		t.Error(got)
	}
	if got := VerificationCode(wantServices); got != "47" {
		t.Error(got)
	}
	if VerificationCode(wantServices[:3]) != "" || Location(nil) != nil || AuthURI(wantServices[:1]) != "" || MCCMNC(wantServices[:2]) != "" {
		t.Error("something out of nothing")
	}
}

func TestServicesOf(t *testing.T) {
	policy := &signum.GeofencingPolicy{CountryWhitelist: "CH"}
	lang := signum.AdditionalService{URI: signum.ServiceUserLang, UserLang: "de"}
	for _, tc := range []struct {
		req  SignRequest
		want []signum.AdditionalService // after userLang
	}{
		{SignRequest{}, nil},
		{SignRequest{Locate: true}, []signum.AdditionalService{{URI: signum.ServiceGeofencing}}},
		{SignRequest{Geofencing: policy}, []signum.AdditionalService{{URI: signum.ServiceGeofencing, Geofencing: policy}}},
		{SignRequest{Locate: true, Geofencing: policy, SubscriberInfo: true}, []signum.AdditionalService{
			{URI: signum.ServiceGeofencing, Geofencing: policy}, {URI: signum.ServiceSubscriberInfo}}},
		{SignRequest{App2App: "a://b", Validate: true, Services: []signum.AdditionalService{{URI: "x"}}}, []signum.AdditionalService{
			{URI: signum.ServiceApp2App, RedirectURI: "a://b"}, {URI: signum.ServiceValidate}, {URI: "x"}}},
	} {
		tc.req.Lang = "de"
		if d := cmp.Diff(append([]signum.AdditionalService{lang}, tc.want...), tc.req.services()); d != "" {
			t.Errorf("%+v (-want +got):\n%s", tc.req, d)
		}
	}
}

// TestTxn: a transaction approval sets its MIME type, and a profile that reaches an App
// unless the request names one.
func TestTxn(t *testing.T) {
	txn := &signum.TxnApproval{Type: "t", Rows: []signum.TxnRow{{Key: "k", Value: "v"}}}
	c := newTestClient(t, false, canned(200, "", ""))
	got := c.signatureRequest(SignRequest{Txn: txn})
	if got.Data.MimeType != signum.MimeTxnApproval || got.Data.Data != txn.String() || got.Profile != signum.ProfileDevice {
		t.Errorf("%+v", got)
	}
	if got = c.signatureRequest(SignRequest{Txn: txn, Profile: "p"}); got.Profile != "p" {
		t.Errorf("%+v", got)
	}
	for _, r := range []SignRequest{{Txn: txn, Text: "x"}, {Txn: txn, MimeType: signum.MimeText}} {
		if _, err := c.Sign(t.Context(), r); err == nil || !strings.Contains(err.Error(), "excludes") {
			t.Error(err)
		}
	}
}

// TestOneTimePasswords: only with their profiles is an answer without a signature a
// success.
func TestOneTimePasswords(t *testing.T) {
	for _, f := range forms[:2] {
		sent := func(id string) (int, string) { return 200, f.signature(id, 100, nil) }
		delivered := func(id string) (int, string) { return 200, f.statusResp(id, 100, nil) }
		outstanding := func(id string) (int, string) { return 200, f.statusResp(id, 504, nil) }
		done := func(id string) (int, string) { return 200, f.statusResp(id, 500, testCMS) }
		early := func(id string) (int, string) { return 200, f.signature(id, 504, nil) }
		var bad *AnswerError
		for _, tc := range []struct {
			profile, byDefault string
			step               func(string) (int, string)
			ok                 bool
		}{
			{signum.ProfileOTPText, "", sent, true},
			{"", signum.ProfileOTPFlash, sent, true},
			{signum.ProfileSTK, signum.ProfileOTPFlash, sent, false},
			{signum.ProfileOTPText, "", early, false},
		} {
			rt, _ := script(f, tc.step)
			c := newTestClient(t, f.soap, rt)
			if tc.byDefault != "" {
				c.cfg.Profile = tc.byDefault
			}
			resp, err := c.Sign(t.Context(), SignRequest{MSISDN: testMSISDN, Text: "x", Profile: tc.profile})
			if tc.ok && (err != nil || resp.Status != 100) || !tc.ok && !errors.As(err, &bad) {
				t.Errorf("%s %+v: %v, %v", f.name, tc, resp, err)
			}
		}
		synctest.Test(t, func(t *testing.T) {
			wait := func(profile string, steps ...func(string) (int, string)) (*signum.SignatureResponse, int, error) {
				rt, calls := script(f, steps...)
				resp, err := newTestClient(t, f.soap, rt).SignAndWait(t.Context(),
					SignRequest{MSISDN: testMSISDN, Text: "x", Profile: profile}, 0, nil)
				return resp, *calls, err
			}
			resp, calls, err := wait(signum.ProfileOTPText, sent, outstanding, delivered)
			if err != nil || resp.Status != 100 || calls != 3 || len(resp.Signature) != 0 {
				t.Errorf("%s delivered: %+v, %d calls, %v", f.name, resp, calls, err)
			}
			// For a signature, 100 is not the outcome.
			resp, calls, err = wait(signum.ProfileSTK, sent, delivered, done)
			if err != nil || resp.Status != 500 || calls != 3 {
				t.Errorf("%s signed: %+v, %d calls, %v", f.name, resp, calls, err)
			}
			rt, calls2 := script(f, outstanding, delivered)
			s, err := newTestClient(t, f.soap, rt).Poll(t.Context(), "h4iof", 0, nil)
			if err != nil || s.Status != 100 || *calls2 != 2 {
				t.Errorf("%s polled: %+v, %v", f.name, s, err)
			}
		})
	}
}
