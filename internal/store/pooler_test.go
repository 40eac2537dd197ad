package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// Through a pooler the store leaves nothing on the connections of the server: no
// prepared statement, no setting, no lock.
func TestPoolerLeavesNothing(t *testing.T) {
	url := pgtest.PoolerURL(t)
	s, ctx := open(t, url), t.Context()
	for n := range 50 {
		if err := s.InsertTransaction(ctx, storetest.NewTransaction(n)); err != nil {
			t.Fatal(err)
		}
		if err := s.PutParty(ctx, &mssp.Party{ID: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Transaction(ctx, storetest.NewTransaction(n).ID); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("pgx", strings.Replace(url, "pooler=transaction", "default_query_exec_mode=exec", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// As many transactions at the same time as the pool has connections look at all of
	// them.
	for range 4 {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		var prepared, locks int
		var lockTimeout, statementTimeout string
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM pg_prepared_statements),
			(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
			current_setting('lock_timeout'), current_setting('statement_timeout')`).
			Scan(&prepared, &locks, &lockTimeout, &statementTimeout); err != nil {
			t.Fatal(err)
		}
		if prepared != 0 || locks != 0 || lockTimeout != "0" || statementTimeout != "0" {
			t.Errorf("%d prepared statements, %d advisory locks, lock_timeout %s, statement_timeout %s", prepared, locks, lockTimeout, statementTimeout)
		}
	}
}

// Without the parameter Open fails and says that there is a pooler.
func TestPoolerUnsaid(t *testing.T) {
	url := strings.Replace(pgtest.PoolerURL(t), "&pooler=transaction", "", 1)
	s, err := Open(t.Context(), url, quiet)
	if err == nil {
		s.Close()
		t.Fatal("a store opened through a pooler that it does not know of")
	}
	if !strings.Contains(err.Error(), "unsupported startup parameter") {
		t.Error(err)
	}
}

// Through a pooler no notice is heard. A URL that goes around it hears them; one that leads to
// another database, or through the pooler, is found out.
func TestListenURL(t *testing.T) {
	t.Parallel()
	direct := pgtest.URL(t)
	pooled := pgtest.Pooled(t, direct)
	for _, tt := range []struct{ name, url, problem string }{
		{"around the pooler", direct, ""},
		{"another database", pgtest.URL(t), "another database"},
		{"the pooler, unsaid", strings.Replace(pooled, "pooler=transaction", "default_query_exec_mode=exec", 1), "a pooler"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, pooled, WithListenURL(tt.url))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := s.Nodes().Listen(ctx, func() {
				if err := s.Nodes().Notify(ctx, []string{"hello"}); err != nil {
					t.Error(err)
				}
			}, func(notice string) {
				if notice == "hello" {
					cancel()
				}
			})
			if tt.problem == "" && !errors.Is(err, context.Canceled) || tt.problem != "" && !strings.Contains(err.Error(), tt.problem) {
				t.Error(err)
			}
		})
	}
	for url, problem := range map[string]string{pooled: "without pooler=transaction", "sqlite:x": "only PostgreSQL", "postgres://a:b:c/": ""} {
		if err := CheckListenURL(url); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
