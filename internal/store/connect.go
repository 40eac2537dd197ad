package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// connector makes connections to PostgreSQL. Its errors fit into one line of a log.
type connector struct{ driver.Connector }

func newConnector(c *pgx.ConnConfig) connector { return connector{stdlib.GetConnector(*c)} }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if failed, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = &connectError{failed}
	}
	return conn, err
}

// connectError says in one line why there is no connection, and what to do.
type connectError struct{ *pgconn.ConnectError }

// refusedTLS is what pgx says of a first attempt when TLS is optional and the server has
// none. The reason is in the attempt after it.
const refusedTLS = "tls error: server refused TLS connection"

// Error implements error. The driver tries each address twice, with TLS and without.
func (e *connectError) Error() string {
	var attempts []string
	for line := range strings.Lines(e.ConnectError.Unwrap().Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(attempts, line) {
			attempts = append(attempts, line)
		}
	}
	if last := attempts[len(attempts)-1]; !strings.HasSuffix(last, refusedTLS) {
		attempts = slices.DeleteFunc(attempts, func(a string) bool { return strings.HasSuffix(a, refusedTLS) })
	}
	return fmt.Sprintf("no connection to the database %s as user %s: %s%s", e.Config.Database, e.Config.User, strings.Join(attempts, ", "), e.remedy())
}

// Unwrap keeps what callers ask about.
func (e *connectError) Unwrap() error { return e.ConnectError }

func (e *connectError) remedy() string {
	if refused, ok := errors.AsType[*pgconn.PgError](e.ConnectError); ok {
		switch refused.Code {
		case "28P01", "28000": // invalid_password, invalid_authorization_specification
			return "; check user and password, and pg_hba.conf"
		case "3D000": // invalid_catalog_name
			return "; create it, or name another one"
		case "42501": // insufficient_privilege
			return "; let the user connect (GRANT CONNECT)"
		case "53300": // too_many_connections
			return "; raise max_connections, or see who holds them (pg_stat_activity)"
		}
	}
	if errors.Is(e.ConnectError, syscall.ECONNREFUSED) {
		return "; start PostgreSQL, or correct host and port"
	}
	return ""
}
