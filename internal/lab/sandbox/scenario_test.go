package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/softapp"
)

const scenarioPath = "/sandbox/v1/scenario"

// memory keeps phones in memory.
func memory(cfg Config) Config {
	cfg.Cards, cfg.Apps = card.NewMemory(), new(softapp.Memory)
	cfg.PKIAddr, cfg.WebAddr = "127.0.0.1:0", "127.0.0.1:0"
	return cfg
}

// TestScenario: a scenario sets a sandbox up, at its start or while it runs; what the sandbox
// exports gives another sandbox the same users and parties.
func TestScenario(t *testing.T) {
	t.Parallel()
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: selfSigned(t, x509.ExtKeyUsageClientAuth).Certificate[0]})
	quoted, err := json.Marshal(string(own))
	if err != nil {
		t.Fatal(err)
	}
	text := `users:
  - msisdn: +41791234567
    methods: [SIM]
    key_type: RSA
    state: pin-blocked
  - {msisdn: +41791234568, methods: [App], behaviour: cancel}
  - {msisdn: +41791234569, methods: []}
  - {msisdn: +41791000001, methods: [App], state: NO_ACCOUNT}
  - {msisdn: +41791000002, state: SUSPENDED}
  - {msisdn: +4179001*, methods: [SIM], network: 22802}
parties:
  - ap_id: mid://sandbox
    name: Changed
  - ap_id: mid://bank.example
    dtbd_prefix: "Bank: "
    password: sesame
    default_lang: de
    geofence: {enabled: true, country_blacklist: [NO]}
    certificates: [` + string(quoted) + `]
`
	s, err := scenario.Parse("demo.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	first := run(t, memory(Config{Scenario: s}))
	check := func(box *Sandbox) {
		t.Helper()
		sb, err := client.LoadSandbox(box.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for number, want := range map[string]signum.Code{
			"+41791234567": signum.PINBlocked, "+41791234568": signum.UserCancel, "+41791234569": signum.UnknownClient, "+41791000001": signum.UnknownClient,
			"+41791000002": signum.CardBlocked, "+41790015555": 0,
		} {
			conf := sb.Config
			conf.APID, conf.APPassword = "mid://bank.example", "sesame"
			c, err := client.New(conf)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Sign(t.Context(), client.SignRequest{MSISDN: number, Text: "Bank: Pay?"})
			c.Close()
			if got := code(err); got != want {
				t.Errorf("%s: %d, want %d", number, got, want)
			}
		}
		if p := sb.Party("mid://bank.example"); p == nil || len(p.Certificates) != 3 || !p.Password {
			t.Errorf("listed %+v", p)
		}
	}
	check(first)
	_, exported := first.control(t, "GET", scenarioPath, "")
	if strings.Contains(exported, "sesame") || !strings.Contains(exported, "password_hash: $argon2id") || !strings.Contains(exported, "BEGIN CERTIFICATE") {
		t.Errorf("exported\n%s", exported)
	}
	if s, err = scenario.Parse("exported.yaml", []byte(exported), nil); err != nil {
		t.Fatal(err)
	}
	same := func(how string, box *Sandbox) {
		t.Helper()
		if _, again := box.control(t, "GET", scenarioPath, ""); again != exported {
			t.Errorf("%s, the export is\n%s\nnot\n%s", how, again, exported)
		}
	}
	second, stop := runUntil(t, memory(Config{Scenario: s}))
	check(second)
	same("after a start with it", second)
	stop()
	same("in the next run", run(t, memory(Config{Dir: second.Dir})))
	third := run(t, memory(Config{}))
	if _, answer := third.control(t, "GET", scenarioPath, ""); answer != "{}\n" {
		t.Errorf("a new sandbox exports %s", answer)
	}
	if status, answer := third.control(t, "PUT", scenarioPath, exported); status != 204 {
		t.Fatalf("%d %s", status, answer)
	}
	same("after it was applied", third)
	check(third)
}

// A scenario with a fault changes nothing, and all faults are named.
func TestScenarioRefused(t *testing.T) {
	t.Parallel()
	box := run(t, memory(Config{}))
	for text, want := range map[string][]string{
		"users:\n- msisdn: +41791234567\n- msisdn: x\nparties:\n- ap_id: y\n": {"scenario:3: x: not a phone number", `scenario:5: \"y\"`},
		"users:\n- msisdn: +41791234567\n- {msisdn: +41791234568, methods: [App], key_type: RSA}\n- {msisdn: +41791234569, methods: [], behaviour: cancel}\n": {
			"+41791234568: the key of an App", "+41791234569: a user without phones"},
		"users:\n- msisdn: +41791234567\nparties:\n- ap_id: mid://signum/portal\n":                            {"the service itself"},
		"users:\n- msisdn: +41791234567\nparties:\n- {ap_id: 'mid://bank.example', certificates: [ap.crt]}\n": {"names of files are only read by"},
		`{"users":[{"msisdn":"+41791234567","stat":1}]}`:                                                      {"unknown member"},
		"users: " + strings.Repeat(" ", scenario.MaxSize):                                                     {"too large"},
	} {
		status, answer := box.control(t, "PUT", scenarioPath, text)
		for _, w := range want {
			if status != 400 || !strings.Contains(answer, w) {
				t.Errorf("%.100s: %d %s, want %s", text, status, answer, w)
			}
		}
	}
	if status, _ := box.control(t, "GET", "/sandbox/v1/users/+41791234567", ""); status != 404 {
		t.Errorf("a user of a scenario that was refused: %d", status)
	}
	_, err := Open(t.Context(), Config{Addr: "127.0.0.1:0", Scenario: &scenario.Scenario{Users: []scenario.User{{MSISDN: "+41791234568", Methods: []signum.Method{signum.App}, KeyType: signum.RSA}}}})
	if wrong, ok := errors.AsType[*OptionError](err); !ok || wrong.Option != "Scenario" {
		t.Error(err)
	}
}
