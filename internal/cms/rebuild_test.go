package cms_test

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/cms"
)

// A card rebuilds, from the text, the time and the hash of the certificate, exactly the
// bytes that the service made.
func TestRebuildAttributes(t *testing.T) {
	content := []byte("Sandbox: Zürich {€}?")
	hash := sha256.Sum256([]byte("a certificate"))
	for _, at := range []time.Time{
		time.Date(2026, 11, 24, 16, 0, 1, 0, time.UTC), time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		attrs := cms.RebuildAttributes(content, at, hash)
		gotTime, gotHash, err := cms.AttributesOf(attrs)
		if err != nil || !gotTime.Equal(at) || gotHash != hash {
			t.Fatalf("%s: %s, %x, %v", at, gotTime, gotHash, err)
		}
		if again := cms.RebuildAttributes(content, gotTime, gotHash); !bytes.Equal(again, attrs) {
			t.Errorf("%s: %x, not %x", at, again, attrs)
		}
		digest, err := cms.MessageDigest(attrs)
		if sum := sha256.Sum256(content); err != nil || !bytes.Equal(digest, sum[:]) {
			t.Errorf("%s: digest %x, %v", at, digest, err)
		}
	}
	if _, _, err := cms.AttributesOf([]byte{0x31, 0}); err == nil {
		t.Error("no attributes were taken apart")
	}
}
