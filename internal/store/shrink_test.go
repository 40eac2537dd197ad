package store

import (
	"os"
	"testing"

	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// A file with much free room becomes smaller, a slice at a time; a little room is left for
// new rows.
func TestShrink(t *testing.T) {
	path := t.TempDir() + "/test.db"
	s, ctx := open(t, path), t.Context()
	p, err := openPools(ctx, path, newOptions(nil))
	must(t, err)
	defer p.close()
	run := func(statement string) {
		t.Helper()
		_, err := p.write.ExecContext(ctx, statement)
		must(t, err)
	}
	size := func() int64 {
		t.Helper()
		run(`PRAGMA wal_checkpoint(TRUNCATE)`)
		info, err := os.Stat(path)
		must(t, err)
		return info.Size()
	}
	run(`INSERT INTO logos (id, png) VALUES ('a', zeroblob(24000000)), ('b', zeroblob(4000000))`)
	if n, err := s.Shrink(ctx, 100); n != 0 || err != nil {
		t.Errorf("nothing is free: %d, %v", n, err)
	}
	full := size()
	run(`DELETE FROM logos WHERE id = 'a'`)
	for range 100 {
		n, err := s.Shrink(ctx, 1000)
		if err != nil || n > 1010 { // with pages of the map of pages
			t.Fatalf("%d pages, %v", n, err)
		}
		if n == 0 {
			break
		}
	}
	if now := size(); now > full*4/5 || now < 4e6 {
		t.Errorf("%d bytes of %d", now, full)
	}
	_, free, err := filePages(ctx, s.read.read)
	if err != nil || free >= shrinkLeast {
		t.Errorf("%d pages are free, %v", free, err)
	}
	if n, err := open(t, pgtest.URL(t)).Shrink(ctx, 1000); n != 0 || err != nil {
		t.Errorf("PostgreSQL: %d, %v", n, err)
	}
}
