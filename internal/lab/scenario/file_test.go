package scenario_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/partydoc"
	"github.com/signum-mssp/signum/internal/password"
)

// certificate makes a client certificate in PEM.
func certificate(t testing.TB, usage x509.ExtKeyUsage, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: until.Add(-48 * time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return partydoc.FormatCertificate(&x509.Certificate{Raw: der})
}

func pointer[T any](v T) *T { return &v }

// full has every member.
func full(t testing.TB) *scenario.Scenario {
	rate := partydoc.Rate{PerMinute: 6, Burst: 2}
	return &scenario.Scenario{
		Users: []scenario.User{
			{MSISDN: "+41791234567", Methods: []signum.Method{signum.SIM}, KeyType: signum.RSA, State: scenario.PINBlocked, Network: "00101",
				Location: "DE,accuracy=25,age=3h", Behaviour: "cancel:5s"},
			{MSISDN: "+41791234568", Methods: []signum.Method{}},
			{MSISDN: "+4179001*"},
		},
		Parties: []partydoc.Party{
			{APID: "mid://example.com", Name: "Bank \"Bäckerei\"", PasswordHash: password.Hash("secret"), Prefix: "Bank: ", UnprefixedReceipts: true,
				SubjectNameBase64: true, DefaultLang: "fr", Profiles: []string{signum.ProfileAnyLoA4}, AuthProfile1: signum.ProfileAnyLoA4,
				Services: []string{}, AutoActivation: pointer(false), TestNumbers: pointer(false), EncryptedReceipts: pointer(false),
				Geofence: &partydoc.Geofence{Enabled: true, Verbose: true, CountryWhitelist: []string{"CH"}, CountryBlacklist: []string{"NO"},
					MinDeviceConfidence: 0.5, MinLocationConfidence: 0.25, MaxTimestampMinutes: pointer(0), MaxAccuracyMeters: pointer(1)},
				Limits: &partydoc.Limits{MaxOpen: 3, Requests: rate, Statuses: rate, Profiles: rate, Unknown: rate, PerNumber: rate, OTP: rate, OTPNumber: rate,
					OTPPrefixes: []string{"+41", "+"}, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
				Certificates: []string{certificate(t, x509.ExtKeyUsageClientAuth, time.Now().Add(time.Hour))}, SharedCertificates: pointer(false)},
			{APID: "urn:null", Profiles: []string{}, Geofence: &partydoc.Geofence{}},
		},
	}
}

var samePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// A scenario that is written comes back as it was.
func TestFormat(t *testing.T) {
	for _, s := range []*scenario.Scenario{full(t), {}} {
		text, err := s.Format()
		if err != nil {
			t.Fatal(err)
		}
		got, err := scenario.Parse("s.yaml", text, nil)
		if diff := cmp.Diff(s, got, samePrefix); err != nil || diff != "" {
			t.Errorf("%v\n%s\n%s", err, diff, text)
		}
	}
	text, err := (&scenario.Scenario{Users: []scenario.User{{MSISDN: "+4179001*", Methods: []signum.Method{signum.SIM, signum.App}, Location: "no"}}}).Format()
	if want := "users:\n  - msisdn: +4179001*\n    methods: [SIM, App]\n    location: \"no\"\n"; err != nil || string(text) != want {
		t.Errorf("%v\n%s", err, text)
	}
}

// All faults are reported at once, each with its line.
func TestParseFaults(t *testing.T) {
	const text = `users:
  - msisdn: 0791234567
  - msisdn: +41791234567
    metods: [SIM]
    methods: SIM
  - {msisdn: 41791234568, state: dead}
  - msisdn: +41791234568
  - msisdn: "+41791234568"
  - none
parties:
  - ap_id: mid://a
    auto_activation: maybe
    limits: {max_open: many, requests: 5}
    profiles: [x, [y]]
  - ap_id: mid://b
    certificates: [b.pem]
  - ap_id: mid://c
    limits: {networks: [nowhere]}
    name: a
    name: b
  - ap_id: mid://d
  - ap_id: mid://d
  - ap_id: mid://e
    services: [http://mid.swisscom.ch/as#geofencin]
user: []
`
	_, err := scenario.Parse("s.yaml", []byte(text), func(string) ([]byte, error) { return nil, errors.New("no such file") })
	if err == nil {
		t.Fatal("accepted")
	}
	want := []string{
		`s.yaml:4: users: unknown member "metods"; there are msisdn, methods,`,
		`s.yaml:5: users.methods: must be a list`,
		`s.yaml:9: users: must have members`,
		`s.yaml:12: parties.auto_activation: "maybe" is not true or false`,
		`s.yaml:13: parties.limits.max_open: "many" is not a whole number`,
		`s.yaml:13: parties.limits.requests: must have members`,
		`s.yaml:14: parties.profiles: must be one value`,
		`s.yaml:18: parties.limits.networks: "nowhere" cannot be read`,
		`s.yaml:20: parties: name appears twice`,
		`s.yaml:25: unknown member "user"; there are users, parties`,
		`s.yaml:2: 0791234567: not a phone number`,
		`s.yaml:6: +41791234568: state "dead"`,
		`s.yaml:8: +41791234568 is a user already, in line 7`,
		`s.yaml:15: mid://b: certificates: no such file`,
		`s.yaml:22: mid://d is a party already, in line 21`,
		`s.yaml:23: mid://e: services: "http://mid.swisscom.ch/as#geofencin": not one of`,
	}
	got := strings.Split(err.Error(), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("fault %d:\n%s", i, err)
		}
	}
	for text, want := range map[string]string{
		"users: [":               "s.yaml: line 1",
		"users: []\n---\nx: 1":   "more than one YAML document",
		"users: 5":               "s.yaml:1: users: must be a list",
		"- 1":                    "s.yaml:1: must have members",
		"parties: [{ap_id: x}]":  "must be a URI",
		"a: &a [*a]\nusers: *a":  "unknown member \"a\"",
		"users: &u\n- {m: *u}\n": "unknown member \"m\"",
		"users: &u [*u]":         "must have members",
		"parties:\n- &p {ap_id: 'mid://a', profiles: [" + strings.Repeat("x,", 1500) + "]}\n" + strings.Repeat("- *p\n", 1500): "more than 1000000 values",
	} {
		if _, err := scenario.Parse("s.yaml", []byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Numbers and codes stay as they are written, and an empty value is an absent one.
func TestParseValues(t *testing.T) {
	got, err := scenario.Parse("s.yaml", []byte("users:\n- msisdn: +41791234567\n  network: 00101\n  state: pin-blocked\n  location:\nparties:\n- {ap_id: 'mid://a', password: 007}\n"), nil)
	want := &scenario.Scenario{
		Users:   []scenario.User{{MSISDN: "+41791234567", Network: "00101", State: scenario.PINBlocked}},
		Parties: []partydoc.Party{{APID: "mid://a", Password: pointer("007")}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err = scenario.Parse("s.yaml", nil, nil); err != nil || len(got.Users) != 0 {
		t.Errorf("an empty file: %v", err)
	}
}

func TestParseCertificate(t *testing.T) {
	hour := time.Now().Add(time.Hour)
	client := certificate(t, x509.ExtKeyUsageClientAuth, hour)
	key := "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	for name, tt := range map[string]struct{ text, want string }{
		"client":      {client, ""},
		"any":         {certificate(t, x509.ExtKeyUsageAny, hour), ""},
		"with a key":  {key + client + key, ""},
		"server":      {certificate(t, x509.ExtKeyUsageServerAuth, hour), "extended key usage clientAuth"},
		"expired":     {certificate(t, x509.ExtKeyUsageClientAuth, time.Now().Add(-time.Hour)), "valid from"},
		"not yet":     {certificate(t, x509.ExtKeyUsageClientAuth, time.Now().Add(72*time.Hour)), "valid from"},
		"key only":    {key, "no PEM block of type CERTIFICATE"},
		"no PEM":      {"x", "no PEM block of type CERTIFICATE"},
		"no contents": {strings.ReplaceAll(key, "PRIVATE KEY", "CERTIFICATE"), "x509"},
	} {
		s, err := scenario.Parse("s.yaml", []byte("parties: [{ap_id: 'mid://a', certificates: [a.pem]}]"), func(string) ([]byte, error) { return []byte(tt.text), nil })
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || strings.Contains(s.Parties[0].Certificates[0], "KEY") {
			t.Errorf("%s: %v %v", name, s, err)
		}
	}
	if _, err := scenario.Parse("s.yaml", []byte("parties: [{ap_id: 'mid://a', certificates: [/etc/passwd]}]"), nil); err == nil || !strings.Contains(err.Error(), "names of files are only read by") {
		t.Errorf("a file was read on behalf of a caller: %v", err)
	}
}

// FuzzParse: no file makes Parse panic, and one that it accepts is written and read again
// without a difference.
func FuzzParse(f *testing.F) {
	text, err := full(f).Format()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("users:\n- &a {msisdn: +41791234567}\n- *a\n"))
	f.Add([]byte("users:\n- {msisdn: '+4179*', methods: [], location: none}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scenario.Parse("s.yaml", data, nil)
		if err != nil {
			return
		}
		text, err := s.Format()
		if err != nil {
			t.Fatal(err)
		}
		again, err := scenario.Parse("s.yaml", text, nil)
		if diff := cmp.Diff(s, again, samePrefix, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%v\n%s\n%s", err, diff, text)
		}
	})
}
