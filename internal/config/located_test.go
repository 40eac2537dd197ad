package config

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCredentials: the directory of systemd's credentials is replaced at the start of a file's name,
// and nothing else is.
func TestCredentials(t *testing.T) {
	base := strings.Replace(minimal(t), "  url: sqlite:signum.db\n", "", 1)
	secret := write(t, "store-url", "sqlite:a\n", 0o400)
	directory := "CREDENTIALS_DIRECTORY=" + filepath.Dir(secret)
	for _, tt := range []struct {
		name, file, problem string
		env                 []string
	}{
		{name: "replaced", file: "${CREDENTIALS_DIRECTORY}/store-url", env: []string{directory}},
		{name: "not set", file: "${CREDENTIALS_DIRECTORY}/store-url", problem: "signum.yaml:7: store.url_file: $CREDENTIALS_DIRECTORY is not set"},
		{name: "not at the start", file: "/x${CREDENTIALS_DIRECTORY}/store-url", env: []string{directory}, problem: "stat /x${CREDENTIALS_DIRECTORY}/"},
		{name: "another variable", file: "${HOME}/store-url", env: []string{directory, "HOME=" + filepath.Dir(secret)}, problem: "stat ${HOME}/"},
	} {
		text := strings.Replace(base, "store:\n", "store:\n  url_file: "+tt.file+"\n", 1)
		c, _, err := Read("signum.yaml", []byte(text), tt.env)
		switch {
		case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
			t.Errorf("%s: %v, want %s", tt.name, err, tt.problem)
		case tt.problem == "" && (err != nil || c.Store.URL.Reveal() != "sqlite:a"):
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestLocate: a problem that shows later is told with the line of the file, or the variable, that
// the value came from. Its causes stay.
func TestLocate(t *testing.T) {
	file := write(t, "signum.yaml", minimal(t)+"log: {level: warn}\n", 0o600)
	l, err := Open(file, []string{"SIGNUM_LISTEN_OPS_ADDRESS=127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"ca.directory":       file + ":9: ca.directory: no",
		"listen.ops.address": "environment: SIGNUM_LISTEN_OPS_ADDRESS: no",
		"listen.pki.address": "listen.pki.address: no", // a default
	} {
		cause := &net.OpError{Op: "listen", Err: os.ErrPermission}
		got := l.Locate(&Problem{Path: path, Text: "no", Err: cause})
		if got.Error() != want || !errors.Is(got, os.ErrPermission) {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	if got := l.Locate(os.ErrClosed); got != os.ErrClosed {
		t.Errorf("another error became %v", got)
	}
}

// TestFaults: joined errors are told apart, and each is one line.
func TestFaults(t *testing.T) {
	a, b := errors.New("a"), errors.New("b:\n\tc")
	if got := Faults(&locatedError{text: "a\nb:\n\tc", err: errors.Join(a, b)}); len(got) != 2 || got[0].Error() != "a" || got[1].Error() != "b: c" || !errors.Is(got[1], b) {
		t.Errorf("%q", got)
	}
	if got := Faults(&locatedError{text: "before: a", err: errors.Join(a)}); len(got) != 1 || got[0].Error() != "before: a" {
		t.Errorf("%q", got)
	}
	denied := &Problem{Path: "store.url_file", Text: "open x: permission denied", Err: &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}}
	want := "store.url_file: open x: permission denied; run commands as the user of the service, and let that user read its files"
	if got := Faults(errors.Join(denied)); len(got) != 1 || got[0].Error() != want || !errors.Is(got[0], denied) {
		t.Errorf("%q", got)
	}
	if got := Faults(nil); got != nil {
		t.Errorf("%q", got)
	}
}
