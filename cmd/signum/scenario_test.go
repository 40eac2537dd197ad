//go:build !nolab

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/partydoc"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestScenarioCommands: a scenario file starts a sandbox, is exported, and is applied to another
// sandbox. Certificates that it names are beside it.
func TestScenarioCommands(t *testing.T) {
	dir, box := t.TempDir(), t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	if _, err := newCertificate(filepath.Join(dir, "bank.pem"), "shop"); err != nil {
		t.Fatal(err)
	}
	demo := write("demo.yaml", "users:\n- msisdn: +41791234567\n  behaviour: cancel\nparties:\n- ap_id: mid://bank.example\n  certificates: [bank.pem]\n")
	startSandbox(t, "--dir", box, "--phone-delay", "10ms", "--scenario", demo)
	t.Setenv(envSandbox, box)
	run := func(code int, want string, args ...string) string {
		t.Helper()
		stdout, stderr, got := execute(t.Context(), newRootCmd(), "", args...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Errorf("signum %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, stdout, stderr)
		}
		return stdout
	}
	run(exitNotSigned, "401 USER_CANCEL", "sign", "--party", "mid://bank.example", "+41791234567", "Pay?")
	exported := run(0, "BEGIN CERTIFICATE", "sandbox", "export")
	if strings.Contains(exported, "PRIVATE KEY") {
		t.Error("a private key was exported")
	}
	run(0, "", "sandbox", "apply", write("more.yaml", "users:\n- msisdn: +41791234568\n  methods: [SIM]\n"))
	run(0, "", "sign", "+41791234568", "Pay?")
	both := write("both.yaml", run(0, "+41791234568", "sandbox", "export"))
	run(0, "", "sandbox", "apply", both)
	if again := run(0, "", "sandbox", "export"); again != string(must(os.ReadFile(both))) {
		t.Errorf("exported again:\n%s", again)
	}

	wrong := write("wrong.yaml", "users:\n- msisdn: 1\n- msisdn: +41791234569\n  colour: red\n")
	run(1, "wrong.yaml:4: users: unknown member \"colour\"", "sandbox", "apply", wrong)
	run(1, "wrong.yaml:2: 1: not a phone number", "sandbox", "--scenario", wrong, "--addr", "127.0.0.1:0")
	run(1, "no such file", "sandbox", "--scenario", filepath.Join(dir, "none.yaml"), "--addr", "127.0.0.1:0")
	run(1, "missing.pem", "sandbox", "apply", write("missing.yaml", "parties:\n- ap_id: mid://a\n  certificates: [missing.pem]\n"))
	run(exitRefused, "a user without phones", "sandbox", "apply", write("refused.yaml", "users:\n- {msisdn: +41791234569, methods: [], behaviour: cancel}\n"))
}

// The scenario file in docs/control.md is one, and the page has every member of a party.
func TestControlPage(t *testing.T) {
	const page = "../../docs/control.md"
	file := filepath.Join(t.TempDir(), "bank.pem")
	certificate := must(newCertificate(file, "shop"))
	read := 0
	for _, b := range testkit.Blocks(t, page) {
		if b.Info != "yaml" {
			continue
		}
		read++
		if _, err := scenario.Parse(page, []byte(b.Text), func(string) ([]byte, error) { return []byte(certificate), nil }); err != nil {
			t.Error(err)
		}
	}
	if read != 1 {
		t.Errorf("%d scenario files", read)
	}
	_, table, _ := strings.Cut(readPage(t, page), "| member | default |")
	table, _, _ = strings.Cut(table, "```")
	for f := range reflect.TypeFor[partydoc.Party]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "ap_id" && !strings.Contains(table, "`"+name+"`") {
			t.Errorf("the page does not mention %s", name)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
