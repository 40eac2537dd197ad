package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

// asked returns the last signature request to the fake.
func (f *fakeService) asked(t *testing.T) (profile, mimeType, data string, services []any) {
	t.Helper()
	var req struct {
		Sign struct {
			SignatureProfile string
			DataToBeSigned   struct{ MimeType, Data string }
			Services         []any `json:"AdditionalServices"`
		} `json:"MSS_SignatureReq"`
	}
	if err := json.Unmarshal([]byte(f.asking), &req); err != nil {
		t.Fatal(err)
	}
	s := req.Sign
	return s.SignatureProfile, s.DataToBeSigned.MimeType, s.DataToBeSigned.Data, s.Services[1:]
}

func TestSignTxn(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, f.dir)
	file := filepath.Join(t.TempDir(), "txn.json")
	const payment = `{"type": "Payment", "dtbd": [{"value": "Alice", "key": "To"}, {"key": "CHF", "value": "10"}]}`
	if err := os.WriteFile(file, []byte(payment), 0o600); err != nil {
		t.Fatal(err)
	}
	sent := func(first string) string {
		return `{"type":"Payment","dtbd":[{"value":"` + first + `","key":"To"},{"key":"CHF","value":"10"}]}`
	}
	for _, tc := range []struct {
		name, stdin string
		args        []string
		code        int
		data        string // sent
		profile     string
		want        string // in either output
	}{
		{"file", "", []string{"--txn", file, "+41791000001"}, 0, sent("Test: Alice"), signum.ProfileDevice, "yes, by"},
		{"standard input", payment, []string{"--txn", "-", "+41791000001"}, 0, sent("Test: Alice"), signum.ProfileDevice, `format_version`},
		{"no prefix", "", []string{"--txn", file, "--no-prefix", "+41791000001"}, 0, sent("Alice"), signum.ProfileDevice, "yes, by"},
		{"prefix is there", sent("Test: Alice"), []string{"--txn", "-", "+41791000001"}, 0, sent("Test: Alice"), signum.ProfileDevice, "yes, by"},
		{"own profile", "", []string{"--txn", file, "--profile", "urn:x", "+41791000001"}, 0, sent("Test: Alice"), "urn:x", "yes, by"},
		{"other rows", sent("forged"), []string{"--txn", "-", "+41791000001"}, exitNotVerified, sent("Test: forged"), signum.ProfileDevice, "the user signed another text"},
		{"unknown member", `{"type":"x","dtbd":[{"key":"a","value":"b"}],"more":1}`, []string{"--txn", "-", "+41791000001"}, exitLocal, "", "", `member "more" is unknown`},
		{"no file", "", []string{"--txn", "/nowhere", "+41791000001"}, exitLocal, "", "", "--txn: open /nowhere"},
		{"text besides", "", []string{"--txn", file, "+41791000001", "Hello"}, exitLocal, "", "", "sign takes an MSISDN, and no \"Hello\"; put a text with spaces in quotes"},
	} {
		f.body = ""
		stdout, stderr, code := execute(t.Context(), newSignCmd(), tc.stdin, tc.args...)
		if code != tc.code || !strings.Contains(stdout+stderr, tc.want) {
			t.Errorf("%s: exit %d\n%s%s", tc.name, code, stdout, stderr)
		}
		if tc.data == "" {
			if f.body != "" {
				t.Errorf("%s: sent %s", tc.name, f.body)
			}
			continue
		}
		if profile, mime, data, _ := f.asked(t); profile != tc.profile || mime != signum.MimeTxnApproval || data != tc.data {
			t.Errorf("%s: sent %s %s\n%s", tc.name, profile, mime, data)
		}
	}
}

// TestSignServices: the additional services that each flag requests.
func TestSignServices(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, f.dir)
	geo := func(policy map[string]any) any {
		m := map[string]any{"Description": signum.ServiceGeofencing}
		if policy != nil {
			m["GeoFencingRequest"] = policy
		}
		return m
	}
	for _, tc := range []struct {
		args    string
		profile string
		want    []any
	}{
		{"", signum.ProfileAnyLoA4, nil},
		{"--profile geo --geofence", signum.ProfileAnyGeo, []any{geo(nil)}},
		{"--geofence-allow CH,LI --geofence-deny DE", signum.ProfileAnyLoA4,
			[]any{geo(map[string]any{"countrywhitelist": "CH,LI", "countryblacklist": "DE"})}},
		{"--geofence-min-confidence 0.75 --geofence-max-age 1h --geofence-max-accuracy 0", signum.ProfileAnyLoA4, []any{geo(map[string]any{
			"mindeviceconfidence": "0.75", "minlocationconfidence": "0.75", "maxtimestampminutes": "60", "maxaccuracymeters": "0"})}},
		{"--app2app a://b --interval 1ms", signum.ProfileDevice, []any{map[string]any{
			"Description": signum.ServiceApp2App, "App2App": map[string]any{"RedirectUri": "a://b"}}}},
		{"--profile ECC --subscriber-info --validate", signum.ProfileAuth1ECC, []any{
			map[string]any{"Description": signum.ServiceSubscriberInfo}, map[string]any{"Description": signum.ServiceValidate}}},
	} {
		stdout, stderr, code := execute(t.Context(), newSignCmd(), "", append(strings.Fields(tc.args), "+41791000001", "Hello")...)
		if code != 0 {
			t.Errorf("%s: exit %d\n%s%s", tc.args, code, stdout, stderr)
			continue
		}
		profile, _, _, services := f.asked(t)
		if d := cmp.Diff(append([]any{}, tc.want...), services); d != "" || profile != tc.profile {
			t.Errorf("%s: profile %s, services (-want +got):\n%s", tc.args, profile, d)
		}
	}
}

// TestJSONServices: the answers of additional services in the output for scripts.
func TestJSONServices(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, f.dir)
	for _, tc := range []struct {
		args []string
		want map[string]any
	}{
		{[]string{"--geofence", "--subscriber-info", "+41791000001"}, map[string]any{
			"location": map[string]any{"country": "CH", "accuracy": 16., "timestamp": "2026-01-02T03:04:05.000Z",
				"device_confidence": "1.0", "location_confidence": "0.9"},
			"mccmnc": "22801", "auth_uri": nil,
		}},
		{[]string{"--geofence", "+41790000103"}, map[string]any{
			"location": map[string]any{"error_code": "103", "error_message": "User denied the location permission"},
		}},
		{[]string{"--app2app", "myapp://done", "--interval", "1ms", "+41791000001"}, map[string]any{
			"auth_uri": "mobileid://auth?session_token=t", "location": nil, "verification": "ok",
		}},
	} {
		stdout, stderr, code := execute(t.Context(), newSignCmd(), "", append(tc.args, "--json", "Hello")...)
		var got map[string]any
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || strings.Count(stdout, "\n") != 1 {
			t.Fatalf("%v, exit %d\n%s%s", err, code, stdout, stderr)
		}
		for field, want := range tc.want {
			if d := cmp.Diff(want, got[field]); d != "" {
				t.Errorf("%v: %s (-want +got):\n%s", tc.args, field, d)
			}
		}
	}
}
