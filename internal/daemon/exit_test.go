package daemon

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExit: a start that fails says why in one line, which names the place and what to do, and its
// exit code tells what starting again can heal from what it cannot.
func TestExit(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := gone.Addr().String()
	gone.Close()
	for _, tt := range []struct {
		name   string
		code   int
		change func(t *testing.T, dir, text string) string // of the configuration
		says   string
	}{
		{"no file", ExitConfiguration, func(t *testing.T, dir, _ string) string {
			if err := os.Remove(filepath.Join(dir, "signum.yaml")); err != nil {
				t.Fatal(err)
			}
			return ""
		}, "signum.yaml: no such file or directory; signum config example prints one to begin with"},
		{"unknown key", ExitConfiguration, replace("ca: {directory", "log: {levle: info}\nca: {directory"), "signum.yaml:8: log.levle: unknown key, did you mean level?"},
		{"no certificate", ExitConfiguration, replace("mss.pem", "none.pem"), "signum.yaml:3: listen.mss.tls.certificate_file: cannot load the TLS certificate and its key"},
		{"no CA", ExitConfiguration, replace("create: true", "create: false"), "signum.yaml:8: ca.directory: there is no CA in DIR/ca; make one with: signum ca create"},
		{"port in use", ExitUnavailable, replace(`web: {address: "127.0.0.1:0"}`, `web: {address: "`+taken.Addr().String()+`"}`),
			"signum.yaml:4: listen.web.address: listen tcp " + taken.Addr().String() + ": bind: address already in use; stop the program that listens there, or choose another address"},
		{"no database", ExitUnavailable, replace("sqlite:DIR/signum.db", "postgres://signum:hidden@"+nobody+"/signum"), "connection refused"},
		{"no directory for the database", ExitUnavailable, replace("DIR/signum.db", "DIR/none/signum.db"), "store: "},
		{"another CA", ExitConfiguration, func(t *testing.T, dir, text string) string {
			once(t, filepath.Join(dir, "signum.yaml"))
			if err := os.Rename(filepath.Join(dir, "ca"), filepath.Join(dir, "kept")); err != nil {
				t.Fatal(err)
			}
			return text
		}, "signum.yaml:7: store.url: the database belongs to service "},
		{"another master key", ExitConfiguration, func(t *testing.T, dir, text string) string {
			file := filepath.Join(dir, "signum.yaml")
			if err := os.WriteFile(file, []byte(text+"sim: {master_key: "+strings.Repeat("00010203", 8)+"}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			once(t, file)
			return text + "sim: {master_key: " + strings.Repeat("10111213", 8) + "}\n"
		}, "the master key of the cards (sim.master_key) is another"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := writeConfig(t, "")
			dir := filepath.Dir(file)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if text := tt.change(t, dir, string(data)); text != "" {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := start(t, file, "", nil)
			code := p.code()
			lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
			last := lines[len(lines)-1]
			if want := strings.ReplaceAll(tt.says, "DIR", dir); code != tt.code || !strings.Contains(last, want) || strings.Contains(p.stderr.String(), "hidden") {
				t.Errorf("exit %d, want %d with %q\n%s", code, tt.code, want, p.stderr)
			}
			if told := p.hear(t, "STATUS="); !strings.Contains(told, last) {
				t.Errorf("the service manager was told %q, not %q", told, last)
			}
		})
	}
}

// replace changes a word of the configuration; DIR is its directory.
func replace(from, to string) func(*testing.T, string, string) string {
	return func(t *testing.T, dir, text string) string {
		t.Helper()
		from, to := strings.ReplaceAll(from, "DIR", dir), strings.ReplaceAll(to, "DIR", dir)
		if !strings.Contains(text, from) {
			t.Fatalf("no %q in\n%s", from, text)
		}
		return strings.Replace(text, from, to, 1)
	}
}

// once starts a server and stops it.
func once(t *testing.T, file string) {
	t.Helper()
	p := start(t, file, "", nil)
	p.hear(t, "READY=1")
	p.signal(t, os.Interrupt)
	if code := p.code(); code != ExitStopped {
		t.Fatalf("exit %d\n%s", code, p.stderr)
	}
}
