package phones

import (
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/person"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, c Config) *Network {
	t.Helper()
	c.Addr = "127.0.0.1:0"
	n, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// Later runs keep the cards, and the directory has what a node needs.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, ".tmp-1")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := open(t, Config{Dir: dir, Users: 5, RSA: 2})
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error("what a killed process left is still there:", err)
	}
	if _, err := Open(Config{Dir: dir, Addr: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "is in use by another process") {
		t.Error("opened twice:", err)
	}
	first := rows(t, dir)
	if len(first) != 6 || first[5][1] != "+41795000005" || first[5][6] != "RSA" || first[3][6] != "EC" {
		t.Errorf("%q", first)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, Config{Dir: dir, Users: 2, First: "41795000005", SystemIDs: []string{"a", "b"}, Password: "secret"})
	if again.Made != 1 || again.Info.Users != 6 {
		t.Errorf("%d made, %+v", again.Made, again.Info)
	}
	second := rows(t, dir)
	for i, row := range first {
		if strings.Join(row, ",") != strings.Join(second[i], ",") {
			t.Errorf("card %d was %q, is %q", i, row, second[i])
		}
	}
	info, err := ReadInfo(dir)
	if err != nil || info.Password != "secret" || info.Control != again.Info.Control {
		t.Errorf("%+v, %v", info, err)
	}
	checkYAML(t, dir, again.Info)
	for _, name := range []string{keysFile, CardsFile, KEKFile, InfoFile, YAMLFile} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Error(name, "can be read by others:", st.Mode(), err)
		}
	}
}

func rows(t *testing.T, dir string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, CardsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkYAML: the configuration of a node takes smsc.yaml as it is.
func checkYAML(t *testing.T, dir string, i Info) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, YAMLFile))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "signum.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = config.Load(file, nil)
	if err == nil {
		t.Fatal("a configuration without the rest is accepted")
	}
	for line := range strings.Lines(err.Error()) {
		if strings.Contains(line, "sim.") && !strings.Contains(line, "sim.master_key") {
			t.Error(line)
		}
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]Config{
		"needs a directory":   {},
		"is not that of":      {Dir: "x", First: "123"},
		"up to 1000000 users": {Dir: "x", Users: -1},
		"cannot have RSA":     {Dir: "x", Users: 1, RSA: 2},
		"at most 8":           {Dir: "x", Password: "123456789"},
		"1 to 15":             {Dir: "x", SystemIDs: []string{""}},
		"unknown fault":       {Dir: filepath.Join(t.TempDir(), "x"), Faults: "none"},
	} {
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if n, err := plus("+99999", 1); err == nil {
		t.Error("after the last number comes", n)
	}
	n := open(t, Config{Dir: t.TempDir(), Users: 1, Behaviours: map[string]person.Behaviour{DefaultFirst: {Do: person.Cancel}}})
	if err := n.handsets.Behave("+41795000002", person.Behaviour{}); err == nil {
		t.Error("a number without a phone has a user")
	}
}
