package store

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

func TestSharedValues(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/db", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			a, b, ctx := open(t, url), open(t, url), t.Context()
			later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Second)
			once := func(s *Store, kind, key string, until time.Time, want bool) {
				t.Helper()
				if first, err := s.Once(ctx, kind, key, until); err != nil || first != want {
					t.Errorf("%s %s: first %v, %v; want %v", kind, key, first, err, want)
				}
			}
			once(a, "proof", "1", later, true)
			once(b, "proof", "1", later, false)
			once(b, "proof", "2", later, true)
			once(b, "try", "1", before, true)
			once(a, "try", "1", later, true) // it had expired
			once(a, "try", "1", later, false)

			want := func(s *Store, key string, value []byte) {
				t.Helper()
				got, err := s.Value(ctx, "session", key)
				if value == nil && !errors.Is(err, mssp.ErrNotFound) || value != nil && (err != nil || !bytes.Equal(got, value)) {
					t.Errorf("%s: %q, %v; want %q", key, got, err, value)
				}
			}
			want(a, "x", nil)
			must(t, a.PutValue(ctx, "session", "x", []byte("one"), later))
			must(t, b.PutValue(ctx, "session", "x", []byte("two"), later))
			must(t, b.PutValue(ctx, "session", "empty", nil, later))
			must(t, b.PutValue(ctx, "session", "old", []byte("old"), before))
			want(a, "x", []byte("two"))
			want(a, "empty", []byte{})
			want(a, "old", nil)
			var taken atomic.Int32
			var g sync.WaitGroup
			for i := range 8 {
				s := []*Store{a, b}[i%2]
				g.Go(func() {
					switch v, err := s.TakeValue(ctx, "session", "x"); {
					case err == nil && string(v) == "two":
						taken.Add(1)
					case !errors.Is(err, mssp.ErrNotFound):
						t.Errorf("%q, %v", v, err)
					}
				})
			}
			g.Wait()
			if taken.Load() != 1 {
				t.Errorf("taken %d times", taken.Load())
			}
			want(b, "x", nil)
			if n, err := a.PurgeValues(ctx, time.Now(), 10); n != 1 || err != nil {
				t.Errorf("deleted %d values, %v", n, err)
			}
			want(b, "empty", []byte{})

			kept := make([][]byte, 8)
			for i := range kept {
				s := []*Store{a, b}[i%2]
				g.Go(func() {
					var err error
					if kept[i], err = s.KeepValue(ctx, "secret", "x", []byte{byte(i)}, later); err != nil {
						t.Error(err)
					}
				})
			}
			g.Wait()
			for i, v := range kept {
				if len(v) != 1 || !bytes.Equal(v, kept[0]) {
					t.Errorf("caller %d has %v, the first one %v", i, v, kept[0])
				}
			}
		})
	}
}
