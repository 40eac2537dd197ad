package store

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// TestConnectErrors: why there is no connection fits into one line, says it once, and says
// what to do.
func TestConnectErrors(t *testing.T) {
	t.Parallel()
	good, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	without := *good
	without.Path = "/not_there"
	for address, want := range map[string]string{
		"postgres://u:secret@" + closed.Addr().String() + "/d": "connection refused; start PostgreSQL, or correct host and port",
		without.String(): `database "not_there" does not exist (SQLSTATE 3D000); create it, or name another one`,
	} {
		_, err := Open(t.Context(), address)
		switch {
		case err == nil:
			t.Errorf("%s: connected", address)
		case !strings.HasPrefix(err.Error(), "store: connect: no connection to the database ") || !strings.HasSuffix(err.Error(), want):
			t.Errorf("%v\nmust end with %s", err, want)
		case strings.ContainsAny(err.Error(), "\n\t") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), refusedTLS):
			t.Errorf("%q", err.Error())
		case strings.Count(err.Error(), "refused") > 1:
			t.Errorf("it says twice: %v", err)
		}
	}
}
