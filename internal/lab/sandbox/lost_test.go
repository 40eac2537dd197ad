package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLostFiles: a file that was used and is gone or damaged is named, with what to do. It is not
// replaced, and nothing else is changed.
func TestLostFiles(t *testing.T) {
	t.Parallel()
	used := t.TempDir()
	_, stop := runUntil(t, Config{Dir: used, PublicURL: "http://pki.test"})
	stop()
	for _, name := range []string{
		"ap.key", "ap-rsa.key", "private/server-ca.key", "private/server.key", "private/sim-master.key", "private/vapid.json",
		"private/ca/issuing.key", "private/ca/issuing.pem", "private/ca/root.pem", "private/ca", "private/signum.db", "private/cards", "private/token",
	} {
		for how, spoil := range map[string]func(path string) error{
			"removed":   os.RemoveAll,
			"truncated": func(path string) error { return os.WriteFile(path, []byte("0"), 0o600) },
			"a directory": func(path string) error {
				return os.Mkdir(path, 0o700)
			},
		} {
			if how != "removed" && (name == "private/ca" || name == "private/cards") || how == "removed" && name == "private/token" {
				continue
			}
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "box")
				if out, err := exec.Command("cp", "-a", used, dir).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				path := filepath.Join(dir, filepath.FromSlash(name))
				if how == "a directory" {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				before := contents(t, dir)
				box, err := Open(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0", WebAddr: "127.0.0.1:0", PKIAddr: "127.0.0.1:0", PublicURL: "http://pki.test"})
				if err == nil {
					box.Close()
					t.Fatal("it starts")
				}
				if text := err.Error(); !strings.Contains(text, filepath.Base(name)) || !strings.Contains(text, "another directory") || strings.Contains(text, "\n") {
					t.Errorf("got %v", err)
				}
				if d := cmp.Diff(before, contents(t, dir)); d != "" {
					t.Errorf("changed: %s", d)
				}
			})
		}
	}
}

// contents returns the sizes of the files of a directory; the lock and what SQLite keeps beside its
// file are left out.
func contents(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, "-wal") || strings.HasSuffix(path, "-shm") || d.Name() == "lock" {
			return err
		}
		st, err := d.Info()
		if err == nil && !d.IsDir() {
			path += fmt.Sprint(" ", st.Size())
		}
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestLostCard: one card that has lost its memory leaves the others alone, and is not replaced by a new
// one. The token is the one of sandbox.json, which programs have.
func TestLostCard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box, stop := runUntil(t, Config{Dir: dir})
	token := box.token
	c, err := box.Store.CardOf(context.Background(), "+41791000001")
	if err != nil {
		t.Fatal(err)
	}
	stop()
	gone := filepath.Join(dir, privateDir, "cards", c.ICCID+".json")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, privateDir, tokenFile)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	box, stop = runUntil(t, Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))})
	if box.Card("+41791000001") != nil || box.Card("+41791000003") == nil || box.token != token {
		t.Error("a lost card is in its phone, another is not, or the token is new")
	}
	stop()
	if text := log.String(); !strings.Contains(text, c.ICCID) || !strings.Contains(text, "the card was used, but has lost its memory in private/cards") {
		t.Errorf("log: %s", text)
	}
	if left, err := filepath.Glob(gone); err != nil || slices.Contains(left, gone) {
		t.Errorf("%s is there again, %v", gone, err)
	}
}
