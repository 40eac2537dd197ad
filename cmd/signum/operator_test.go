package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/signum-mssp/signum/internal/check"
	"github.com/signum-mssp/signum/internal/store"
	"github.com/signum-mssp/signum/internal/testkit"
)

// operatorFiles writes the configuration of a node with a store, and what it refers to.
func operatorFiles(t *testing.T, storeURL string) (file string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := testkit.ECKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(100 * 24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	if storeURL == "" {
		storeURL = "sqlite:" + filepath.Join(dir, "signum.db")
	}
	return write("signum.yaml", fmt.Appendf(nil, `
service: {mssp_uri: "http://mss.example.com/"}
listen:
  mss: {address: "127.0.0.1:0", tls: {certificate_file: %[1]s/cert.pem, key_file: %[1]s/key.pem}}
  web: {address: "127.0.0.1:0"}
  pki: {address: "127.0.0.1:0"}
  ops: {address: ""}
store: {url: "%[2]s"}
ca: {directory: %[1]s/ca, create: true}
sim: {master_key: %[3]s}
`, dir, storeURL, strings.Repeat("0f1e", 16)))
}

// command runs the program with arguments.
func command(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	cmd := newRootCmd()
	var buf bytes.Buffer
	cmd.SetOut(&buf)
	cmd.SetErr(&buf)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(context.WithoutCancel(t.Context()))
	if err != nil {
		fmt.Fprintln(&buf, "signum:", err)
	}
	return buf.String(), exitCode(err)
}

// TestMigrateCommand: the plan of each state of a database, and its exit code.
func TestMigrateCommand(t *testing.T) {
	t.Parallel()
	file := operatorFiles(t, "")
	database := filepath.Join(filepath.Dir(file), "signum.db")
	expect := func(code int, want string, args ...string) {
		t.Helper()
		out, got := command(t, append(args, "--config", file)...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, %s, want %d and %q", args, got, out, code, want)
		}
	}
	expect(exitExpand, "The database is empty.", "migrate", "--plan")
	if _, err := os.Stat(database); err == nil {
		t.Error("the plan created the database")
	}
	expect(0, "The database is at version", "migrate")
	expect(0, "There is nothing to do.", "migrate")
	expect(0, `"migrations": null`, "migrate", "--plan", "--json")

	db, err := sql.Open("sqlite", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// As a newer program leaves it, one that this program can use and one that it cannot.
	if _, err := db.Exec(`INSERT INTO signum_schema (version, min_compatible) VALUES (1000, $1)`, store.NewestVersion()); err != nil {
		t.Fatal(err)
	}
	expect(0, fmt.Sprintf("Programs from version %d on can use it.", store.NewestVersion()), "migrate", "--plan")
	if _, err := db.Exec(`UPDATE signum_schema SET min_compatible = 1000 WHERE version = 1000`); err != nil {
		t.Fatal(err)
	}
	expect(2, "use a newer program", "serve")
	if _, err := db.Exec(`DROP TABLE instance; DELETE FROM signum_schema WHERE version > 16`); err != nil {
		t.Fatal(err)
	}
	expect(2, "run signum migrate", "serve")
	expect(exitContract, "Adds the service to which the database belongs.", "migrate", "--plan")
	expect(1, "has "+database+" open", "migrate")
}

// TestBackupCommands: a backup is restored into another database, and refusals say what to do.
func TestBackupCommands(t *testing.T) {
	t.Parallel()
	file := operatorFiles(t, "")
	dir := filepath.Dir(file)
	database, archive := filepath.Join(dir, "signum.db"), filepath.Join(dir, "backup.tar.gz")
	expect := func(code int, want string, args ...string) {
		t.Helper()
		out, got := command(t, append(args, "--config", file)...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, %s, want %d and %q", args, got, out, code, want)
		}
	}
	expect(1, "the database is empty", "backup", archive)
	expect(0, "version", "migrate")
	expect(0, "Save in another place, too", "backup", archive)
	expect(1, "exists already", "backup", archive)
	expect(1, "--replace", "restore", archive)
	expect(0, "The database before is in "+database+".replaced-", "restore", archive, "--replace")
	expect(0, "there is no CA", "check")
	expect(0, "rows of version", "check", "--backup", archive)
	expect(0, `"findings": []`, "check", "--backup", archive, "--json")
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	expect(1, "error: schema: the database is empty", "check")
	expect(0, "counters of 0 SIM cards were moved", "restore", archive)
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	expect(1, archive+": after ", "restore", archive, "--replace")
	expect(1, archive+": after ", "check", "--backup", archive)
}

// TestOldBackup: a backup that nobody has renewed is worth a warning.
func TestOldBackup(t *testing.T) {
	t.Parallel()
	now := time.Now()
	if found := aged(now.Add(-oldBackup+time.Second), now); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	found := aged(now.Add(-oldBackup-25*time.Hour), now)
	if len(found) != 1 || found[0].Level != check.Warning || !strings.Contains(found[0].Text, "the backup is 8 days old") {
		t.Errorf("%+v", found)
	}
}
