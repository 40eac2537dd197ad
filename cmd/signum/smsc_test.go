//go:build !nolab

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/lab/phones"
)

// TestSmsc runs the network of phones as a process, with the commands that it prints.
func TestSmsc(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "phones")
	p := startProcess(t, "smsc", "--dir", dir, "--addr", "127.0.0.1:0", "--users", "3", "--phone", "41795000002=silent")
	p.said(t, "ready smpp://127.0.0.1:")
	for _, line := range []string{"with 3 phones from +41795000001 on, of which 3 are new", "sandbox --dir ./box", "user import --sandbox ./box"} {
		if !strings.Contains(p.stdout.String(), line) {
			t.Errorf("it does not say %q:\n%s", line, &p.stdout)
		}
	}
	for _, args := range [][]string{
		{"phone", "set", "--sandbox", dir, "+41795000001", "cancel"},
		{"phone", "set", "--sandbox", dir, "+41795000001", "--location", "DE"},
		{"smsc", "faults", "--dir", dir, "loss=0.5,delay=1s"},
		{"smsc", "faults", "--dir", dir},
	} {
		if _, stderr, code := execute(t.Context(), newRootCmd(), "", args...); code != 0 {
			t.Errorf("%q: %d, %s", args, code, stderr)
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	for want, args := range map[string][]string{
		"refused by the SMSC: +41795000009 has no phone":                                             {"phone", "set", "--sandbox", dir, "+41795000009", "cancel"},
		"these phones have SIM cards and no Apps":                                                    {"phone", "open", "--sandbox", dir, "mobileid://auth"},
		`refused by the SMSC: unknown fault "los"`:                                                   {"smsc", "faults", "--dir", dir, "los=1"},
		"is in use by another process":                                                               {"smsc", "--dir", dir, "--addr", "127.0.0.1:0"},
		"which directory? signum smsc keeps its cards in":                                            {"smsc"},
		"--replies all: not one of any, sender":                                                      {"smsc", "--dir", dir, "--replies", "all"},
		"--phone +41795000001: behaviour \"sleep\"":                                                  {"smsc", "--dir", dir, "--phone", "+41795000001=sleep"},
		"the behaviour of +41791000001: +41****01: no such phone; there are 3, from +41795000001 on": {"smsc", "--dir", other, "--addr", "127.0.0.1:0", "--users", "3", "--phone", "41791000001=cancel"},
		"--log loud: not one of debug, info, warn, error":                                            {"smsc", "--dir", dir, "--log", "loud"},
		"open /nowhere/events: no such file or directory":                                            {"smsc", "--dir", other, "--addr", "127.0.0.1:0", "--events", "/nowhere/events"},
		"smsc takes no arguments, but got \"now\"; see signum sm":                                    {"smsc", "now"},
	} {
		if _, stderr, code := execute(t.Context(), newRootCmd(), "", args...); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%q: %d, %s", args, code, stderr)
		}
	}
	checkSmscHealth(t, dir)
	if code := p.interrupt(t); code != 0 {
		t.Errorf("interrupted, it exits with %d: %s", code, p.stderr)
	}
}

func checkSmscHealth(t *testing.T, dir string) {
	t.Helper()
	i, err := phones.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(i.Control + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	var h phones.Health
	if err != nil || json.Unmarshal(text, &h) != nil || h.Cards != 3 || h.Sessions != 0 {
		t.Errorf("health %s, %v", text, err)
	}
	if _, stderr, code := execute(t.Context(), newRootCmd(), "", "health", "--url", i.Control); code != 0 {
		t.Errorf("health: %d, %s", code, stderr)
	}
}
