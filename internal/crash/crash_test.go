//go:build linux

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestCrash is "make crash" for a few seconds. A run that failed is repeated with
// make crash ARGS="-seed N -users 20 -store …", with -serve on PostgreSQL, and -nodes 3.
func TestCrash(t *testing.T) {
	t.Parallel()
	binary, err := buildProgram(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		nodes int // on PostgreSQL; 0: SQLite
		least int // kills
	}{{"sqlite", 0, 1}, {"postgres", 1, 1}, {"nodes", 3, 8}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := plan{binary: binary, dir: t.TempDir(), seed: rand.Uint64(), length: 6 * time.Second, pause: time.Second, users: len(cast), say: t.Output(),
				serve: tt.nodes > 0, nodes: tt.nodes, least: tt.least}
			if p.serve {
				if _, err := pgtest.Binaries(); err != nil {
					testkit.Missing(t, "%v; run make deps", err)
				}
				server, err := pgtest.NewServer(t.Context(), t.Output())
				if err != nil {
					t.Fatal(err)
				}
				p.pg = server
				defer p.pg.Remove()
			}
			r, err := crash(t.Context(), p)
			if err != nil {
				log, _ := os.ReadFile(filepath.Join(p.dir, "service.log"))
				t.Fatalf("seed %d: %v\n%s", p.seed, err, log)
			}
			r.report(t.Output())
			if len(r.wrong) > 0 {
				t.Errorf("seed %d: %d faults", p.seed, len(r.wrong))
			}
		})
	}
}
