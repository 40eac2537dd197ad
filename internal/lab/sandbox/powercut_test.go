package sandbox

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// After a power cut the database has everything, because it is synced, but the files of the
// cards lack the last seconds. The service has seen counters of replies that the card does
// not know to be used, and the card signs nevertheless.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	const user = "+41791000001"
	dir := t.TempDir()
	sign := func() {
		t.Helper()
		c, _ := clientOf(t, dir)
		for range 3 {
			if _, err := c.Sign(t.Context(), client.SignRequest{
				MSISDN: user, Text: DTBDPrefix + "Hello", Lang: "en", Profile: signum.ProfileSTK, Timeout: 80 * time.Second,
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, stop := runUntil(t, Config{Dir: dir})
	cards := filepath.Join(dir, privateDir, "cards")
	kept := t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(cards)); err != nil {
		t.Fatal(err)
	}
	sign()
	stop()
	if err := os.RemoveAll(cards); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(cards, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	_, stop = runUntil(t, Config{Dir: dir})
	sign()
	stop()
}
