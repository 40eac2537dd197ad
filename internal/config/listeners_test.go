package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestListeners(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signum.yaml")
	for _, tt := range []struct {
		text, env, want string
	}{
		{"", "", ""},
		{"listen: {admin: {socket: /run/a.sock}}", "", "/run/a.sock"},
		{"listen: {admin: {socket: /run/a.sock}}\nxyzzy: 1\nstore: {url_file: /none}", "", "/run/a.sock"},
		{"listen: {admin: {socket: /run/a.sock}}", "/run/b.sock", "/run/b.sock"},
		{"no: yaml: here", "", ""},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var environ []string
		if tt.env != "" {
			environ = []string{"SIGNUM_LISTEN_ADMIN_SOCKET=" + tt.env}
		}
		if got, err := Listeners(file, environ); got.Admin.Socket != tt.want || got.Ops.Address != "127.0.0.1:9464" || err != nil {
			t.Errorf("%q %q: %+v %v", tt.text, tt.env, got, err)
		}
	}
	if _, err := Listeners(file+"x", nil); err == nil {
		t.Error("a file that does not exist")
	}
}
