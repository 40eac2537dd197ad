package node

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestTie: a database belongs to one CA and one master key. A node with others is refused before it
// changes the database or makes a CA.
func TestTie(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.SIM.MasterKey = config.NewSecret(strings.Repeat("0f1e", 16))
	start := func(c config.Config) error {
		n, err := New(t.Context(), c, Deps{})
		if err == nil {
			_, err = n.CA.Issue(context.Background(), "MIDCHE0000000001", "device", testkit.ECKey(t).Public())
		}
		if n != nil {
			if e := n.Close(); err == nil {
				err = e
			}
		}
		return err
	}
	other := testConfig(t)
	for _, c := range []config.Config{c, other} {
		if err := start(c); err != nil {
			t.Fatal(err)
		}
	}
	database := strings.TrimPrefix(c.Store.URL.Reveal(), "sqlite:")
	forget := func() {
		t.Helper()
		db, err := sql.Open("sqlite", database)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(`DELETE FROM instance`); err != nil {
			t.Fatal(err)
		}
	}
	absent := filepath.Join(t.TempDir(), "ca")
	changed := func(change func(*config.Config)) config.Config {
		d := c
		change(&d)
		return d
	}
	wrong := map[string]config.Config{
		"another CA": changed(func(d *config.Config) { d.CA.Directory = other.CA.Directory }),
		"a new CA":   changed(func(d *config.Config) { d.CA.Directory = absent }),
		"another master key": changed(func(d *config.Config) {
			d.SIM.MasterKey = config.NewSecret(strings.Repeat("1f2e", 16))
		}),
	}
	refused := func(name, want string) {
		t.Helper()
		if err := start(wrong[name]); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), instance.UseOwn) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	for name, here := range map[string]string{"another CA": "is the root CA of " + other.CA.Directory, "a new CA": absent + " has no CA", "another master key": "sim.master_key"} {
		refused(name, here)
		refused(name, "the database belongs to service ")
	}
	// As an older version leaves it.
	forget()
	refused("another CA", "has not issued the certificates in the database")
	refused("a new CA", "the database has certificates of one")
	if _, err := os.Stat(absent); err == nil {
		t.Error("it made a CA")
	}
	if err := start(c); err != nil {
		t.Errorf("the database of an older version: %v", err)
	}
	// The CA is replaced, and the former one goes later.
	former := filepath.Join(c.CA.Directory, "former")
	files, err := filepath.Glob(filepath.Join(c.CA.Directory, "*.*"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	var pem []byte
	for _, name := range []string{"issuing.pem", "root.pem"} {
		data, err := os.ReadFile(filepath.Join(c.CA.Directory, name))
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, data...)
	}
	if err := os.Mkdir(former, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(former, "one.pem"), pem, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(c.CA.Directory, "issuing.key"), filepath.Join(former, "one.key")); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := start(c); err != nil {
		t.Errorf("a CA with its former one: %v", err)
	}
	if err := os.RemoveAll(former); err != nil {
		t.Fatal(err)
	}
	if err := start(c); err != nil {
		t.Errorf("the new CA alone: %v", err)
	}
}
