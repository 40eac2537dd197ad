package sandbox

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// The private directory must not be a link to a place that others control.
func TestAttackPrivateLink(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there")
	}
	for name, put := range map[string]func(path string) error{
		"link": func(path string) error { return os.Symlink(t.TempDir(), path) },
		"dangling link": func(path string) error {
			return os.Symlink(filepath.Join(t.TempDir(), "gone"), path)
		},
		"file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		dir := t.TempDir()
		if err := put(filepath.Join(dir, privateDir)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0"})
		if err == nil || !strings.Contains(err.Error(), "must be a directory") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// In a directory that everybody can write to, everybody can exchange keys.
func TestAttackOpenDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("it contains %v, %v", entries, err)
	}
}

// A damaged key of one card, a damaged file of another and a damaged record of an App
// stop their own users only.
func TestAttackDamagedCard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box, stop := runUntil(t, Config{Dir: dir})
	users := box.Info.Users
	card, err := box.Store.CardOf(t.Context(), users[0].MSISDN)
	if err != nil {
		t.Fatal(err)
	}
	card.KIc[5] ^= 1
	if err := box.Store.RekeyCard(t.Context(), card); err != nil {
		t.Fatal(err)
	}
	stop()
	apps, err := filepath.Glob(filepath.Join(dir, privateDir, "apps", "*.app"))
	if err != nil || len(apps) == 0 {
		t.Fatal(apps, err)
	}
	if err := os.WriteFile(apps[0], []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log testkit.Buffer
	box, _ = runUntil(t, Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "phone without its card") || !strings.Contains(log.String(), "App not started") {
		t.Errorf("the log says nothing of the damage: %s", log.String())
	}
	if box.Card(users[0].MSISDN) != nil {
		t.Error("the damaged card is in a handset")
	}
	if box.NoCards() {
		t.Error("no other card is in a handset")
	}
}
