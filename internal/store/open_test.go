package store

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// Processes that start at the same time create the schema once.
func TestOpenTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var opens sync.WaitGroup
		for i := range 8 {
			opens.Go(func() {
				s, err := Open(t.Context(), url, quiet)
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				defer s.Close()
				if err := s.InsertTransaction(t.Context(), storetest.NewTransaction(i)); err != nil {
					t.Errorf("insert: %v", err)
				}
			})
		}
		opens.Wait()
	})
}

func TestOpenNewerSchema(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		next := latest.newest() + 1
		w := &write{first: &query{text: insertCompatibleVersion}, args: []any{next, next}}
		if err := s.write(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), url, quiet)
		if err == nil || !strings.Contains(err.Error(), "use a newer program") {
			t.Errorf("a newer schema: %v", err)
		}
	})
}

func TestOpenRefused(t *testing.T) {
	for _, url := range []string{
		"", "sqlite:", ":memory:", "sqlite::memory:", "file::memory:", "mysql://root@localhost/signum",
		filepath.Join(t.TempDir(), "no", "such", "directory.db"),
		t.TempDir(),
		"postgres://user:secret@127.0.0.1:1/signum?connect_timeout=1",
		"postgres://user:secret@127.0.0.1:none/signum",
	} {
		s, err := Open(t.Context(), url, quiet)
		if err == nil {
			s.Close()
			t.Errorf("%q was opened", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
	notOurs := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notOurs, []byte(strings.Repeat("this is not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), notOurs, quiet); err == nil {
		s.Close()
		t.Error("a text was opened")
	}
}

// Only the user of the process can read the files of SQLite.
func TestSQLiteFileMode(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "sqlite:"+filepath.Join(dir, "#1 ?mode=memory%20é.db"))
	if err := s.PutParty(t.Context(), &mssp.Party{ID: "p"}); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 || files[0].Name() != "#1 ?mode=memory%20é.db" {
		t.Errorf("files: %v", files)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}

// The pragmas of the DSN apply to the connections of both pools.
func TestSQLitePragmas(t *testing.T) {
	p, err := openSQLite(t.Context(), filepath.Join(t.TempDir(), "test.db"), new(options))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for name, db := range map[string]*sql.DB{"write": p.write, "read": p.read} {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "wal_autocheckpoint": "4000",
			"journal_size_limit": "67108864", "auto_vacuum": "2",
			"query_only": map[string]string{"read": "1", "write": "0"}[name],
		} {
			var got string
			if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %q, %v, want %q", name, pragma, got, err, want)
			}
		}
	}
}

// Keys are ordered by their bytes, whatever the collation of the database is.
func TestPostgresCollation(t *testing.T) {
	url := pgtest.Database(t, `LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C' ENCODING 'UTF8'`)
	s := open(t, url)
	var bytewise bool
	if err := s.read.read.QueryRow(`SELECT 'B' < 'a'`).Scan(&bytewise); err != nil || bytewise {
		t.Fatalf("the database has no collation of its own: %v", err)
	}
	ids := []string{"b", "a", "B", "_x", "a-1", "a1", "aB", "é"}
	for i, id := range ids {
		tx := storetest.NewTransaction(i)
		tx.ID = id
		if err := s.InsertTransaction(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.OutstandingTransactions(t.Context(), storetest.NewTransaction(0).Created, "a", 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tx := range list {
		got = append(got, tx.ID)
	}
	if want := []string{"a-1", "a1", "aB", "b", "é"}; !slices.Equal(got, want) {
		t.Errorf("after a: %q, want %q", got, want)
	}
	if ended, err := s.EndedTransactions(t.Context(), append(ids, "none")); err != nil || !slices.Equal(ended, []string{"none"}) {
		t.Errorf("ended: %q, %v", ended, err)
	}
}

// Open refuses a server that answers before a commit is on disk.
func TestPostgresSynchronousCommit(t *testing.T) {
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("synchronous_commit", "off")
	u.RawQuery = q.Encode()
	if s, err := Open(t.Context(), u.String(), quiet); err == nil {
		s.Close()
		t.Error("opened with synchronous_commit=off")
	}
}
