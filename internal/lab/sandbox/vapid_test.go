package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/config"
)

// The keys for push services stay the same, and the contact is one that they take, also
// in the directory of an earlier version, which has another.
func TestVAPID(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, privateDir), 0o700); err != nil {
		t.Fatal(err)
	}
	first, err := vapid(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, privateDir, "vapid.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(string(data), first.Contact, "sandbox@localhost.invalid", 1)
	if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := vapid(dir)
	if err != nil || again.PublicKey != first.PublicKey || again.PrivateKey.Reveal() != first.PrivateKey.Reveal() || first.PublicKey == "" {
		t.Errorf("other keys: %v", err)
	}
	if uri, err := config.ContactURI(again.Contact); err != nil {
		t.Errorf("contact %q: %v", uri, err)
	}
}
