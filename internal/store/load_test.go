package store

import (
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// A snapshot of an older version is loaded into a schema of that version, and brought up
// to date after that.
func TestLoadOlderVersion(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old := openVersion(t, url, 2)
		rows := rowsOf2
		if old.engine == sqlite {
			rows = strings.ReplaceAll(rows, "AS bytea", "AS blob") // as the driver writes bytes
		}
		if _, err := old.write.Exec(rows); err != nil {
			t.Fatal(err)
		}
		old.close()
		s, err := OpenSnapshot(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		onBoth(t, func(t *testing.T, target string) {
			l, err := OpenLoad(t.Context(), target, s.Version, s.Tables, false, quiet)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for _, table := range s.Tables {
				err := s.Rows(t.Context(), table, func(row []any) error {
					return l.Insert(t.Context(), table.Name, [][]any{row})
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Commit(); err != nil {
				t.Fatal(err)
			}
			l.Close()
			var found *mssp.Transaction
			err = FinishLoad(t.Context(), target, func(s *Store) (err error) {
				found, err = s.Transaction(t.Context(), "h1")
				return err
			}, quiet)
			if err != nil || found.APTransID != "T1" || !found.Services.Validate {
				t.Errorf("%+v, %v", found, err)
			}
			open(t, target)
		})
	})
}
