package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// groupLockTimeout is how long a statement of a group waits for a lock. A group
// holds many locks, and two nodes may take theirs in opposite orders. Then neither
// waits long: its group is rolled back and run again one write at a time. This
// happens sooner than PostgreSQL's own deadlock detection (1 s). A single write
// may wait as long as its transaction may take.
const groupLockTimeout = 500 * time.Millisecond

// connectOneOfSeveral is how long a connection to one of several servers may take. The one
// that is named first may be gone for good.
const connectOneOfSeveral = 2 * time.Second

// controlConns are for beats and notices, which must not wait for each other.
const controlConns = 2

// applicationName is how the sessions of a node are seen in pg_stat_activity. Commands have
// names of their own, which begin alike.
const applicationName = "signum"

const selectDurability = `SELECT current_setting('synchronous_commit'), current_setting('fsync')`

// CheckURL says what is wrong with the URL of a database, as far as that shows without
// connecting to it. The error never contains the password.
func CheckURL(url string) error {
	if !isPostgres(url) {
		return nil
	}
	_, _, err := postgresConfig(url, defaultLimits)
	return err
}

// Pooled reports whether a URL goes through a pooler.
func Pooled(url string) bool {
	if !isPostgres(url) {
		return false
	}
	_, pooled, err := postgresConfig(url, defaultLimits)
	return err == nil && pooled
}

// CheckListenURL is CheckURL for a URL of WithListenURL.
func CheckListenURL(url string) error {
	_, err := listenURLConfig(url)
	return err
}

func listenURLConfig(url string) (*pgx.ConnConfig, error) {
	if !isPostgres(url) {
		return nil, errors.New("must be postgres://…: only PostgreSQL has notices")
	}
	config, pooled, err := postgresConfig(url, defaultLimits)
	if err == nil && pooled {
		err = errors.New("must go to PostgreSQL itself, without pooler=transaction: a pooler passes no notices")
	}
	return config, err
}

// openPostgres opens a pool that writes and one that reads.
func openPostgres(ctx context.Context, url string, o *options) (*pools, error) {
	config, pooled, err := postgresConfig(url, o.limits)
	if err != nil {
		return nil, err
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = cmp.Or(o.app, applicationName)
	}
	p := &pools{engine: postgres, pooled: pooled}
	pool := func(n int, settings settings) *sql.DB {
		c := config.Copy()
		settings.override(c.RuntimeParams)
		if !pooled {
			settings.startup(c.RuntimeParams)
		}
		db := sql.OpenDB(newConnector(c))
		db.SetMaxOpenConns(n)
		db.SetMaxIdleConns(n)
		return db
	}
	writing := writeSettings(o.limits)
	p.write, p.read = pool(o.writers, writing), pool(o.readers, readSettings(o.limits))
	p.control = pool(controlConns, readSettings(o.limits))
	if p.listen, err = listenConfig(config, pooled, o); err != nil {
		p.close()
		return nil, err
	}
	if pooled {
		writing.override(config.RuntimeParams)
		p.begin = writing.local()
	}
	if err := checkDurability(ctx, p.write, o.log); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// listenConfig returns nil if nothing can be heard: the database is behind a pooler and there
// is no URL that goes around it.
func listenConfig(config *pgx.ConnConfig, pooled bool, o *options) (*pgx.ConnConfig, error) {
	switch {
	case o.listen != "":
		own, err := listenURLConfig(o.listen)
		if err != nil {
			return nil, fmt.Errorf("URL to listen: %w", err)
		}
		own.RuntimeParams["application_name"] = cmp.Or(own.RuntimeParams["application_name"], config.RuntimeParams["application_name"])
		return own, nil
	case pooled:
		return nil, nil
	}
	return config.Copy(), nil
}

// postgresConfig reads a URL as libpq does. It also understands the parameters of
// tcpOptions, and pooler: pooler=transaction says that a pooler (PgBouncer) may give
// each transaction a different connection of the server. Then the store prepares
// nothing by name and sets nothing that outlives a transaction.
func postgresConfig(url string, l limits) (config *pgx.ConnConfig, pooled bool, err error) {
	if config, err = pgx.ParseConfig(url); err != nil {
		return nil, false, err
	}
	switch pooler, given := take(config.RuntimeParams, "pooler"); {
	case given && pooler != "transaction":
		return nil, false, fmt.Errorf("pooler=%s: only pooler=transaction is supported", pooler)
	case given:
		pooled = true
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	}
	several := slices.ContainsFunc(config.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != config.Host || f.Port != config.Port })
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = l.connect
		if several { // the next one may be there
			config.ConnectTimeout = min(l.connect, connectOneOfSeveral)
		}
	}
	if several && config.ValidateConnect == nil && !strings.Contains(url, "target_session_attrs=") && os.Getenv("PGTARGETSESSIONATTRS") == "" {
		// A standby must not be taken for the primary: it may be behind.
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	tcp, err := takeTCPOptions(config.RuntimeParams)
	if err != nil {
		return nil, false, err
	}
	config.DialFunc = tcp.dialer(config.ConnectTimeout).DialContext
	return config, pooled, nil
}

// take removes a parameter.
func take(params map[string]string, name string) (value string, given bool) {
	value, given = params[name]
	delete(params, name)
	return value, given
}

// setting is a configuration parameter of the server. The URL can replace it,
// unless it is fixed.
type setting struct {
	name, value string
	fixed       bool
}

type settings []setting

func readSettings(l limits) settings {
	return settings{
		{name: "default_transaction_isolation", value: "read committed", fixed: true},
		{name: "statement_timeout", value: milliseconds(l.read)},
		genericPlans, indexScans, noCompiler,
	}
}

// A plan is made once for each statement and connection, whatever the arguments, and
// finds its rows by an index. The table of outstanding transactions is empty at one
// moment and has thousands of rows at the next: a plan that reads all of it would be
// right when it is made, and stay. With the partitions, planning each time would cost more
// than the statement.
var (
	genericPlans = setting{name: "plan_cache_mode", value: "force_generic_plan"}
	indexScans   = setting{name: "enable_seqscan", value: "off"}
	// A plan that has to read a whole table after all would look so expensive that
	// PostgreSQL compiles it each time.
	noCompiler = setting{name: "jit", value: "off"}
)

func writeSettings(l limits) settings {
	return settings{
		{name: "lock_timeout", value: milliseconds(groupLockTimeout), fixed: true},
		{name: "statement_timeout", value: milliseconds(l.write)},
		// A writer is idle in a transaction for longer only if its machine or the
		// network is gone. Its locks must not stay then.
		{name: "idle_in_transaction_session_timeout", value: milliseconds(l.write)},
		genericPlans, indexScans, noCompiler,
	}
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// override removes the settings from the URL's parameters. Those that are not fixed
// take the values given there.
func (s settings) override(params map[string]string) {
	for i := range s {
		if v, given := take(params, s[i].name); given && !s[i].fixed {
			s[i].value = v
		}
	}
}

// startup adds the settings to the start-up message of each connection.
func (s settings) startup(params map[string]string) {
	for _, x := range s {
		params[x.name] = x.value
	}
}

// local returns the statements that apply the settings to one transaction.
func (s settings) local() string {
	var b strings.Builder
	for _, x := range s {
		fmt.Fprintf(&b, "SET LOCAL %s = '%s';", x.name, strings.ReplaceAll(x.value, "'", "''"))
	}
	return b.String()
}

// transient reports whether PostgreSQL has rolled the transaction back in favour of
// another one, so that it may succeed if it is run again (serialization_failure or
// deadlock_detected).
func transient(err error) bool {
	code := sqlState(err)
	return code == "40001" || code == "40P01"
}

// readOnly is the SQLSTATE of a write to a server that is a standby, or has become one.
const readOnly = "25006"

// interrupted reports whether a server could not do its work for a reason that goes away
// by itself, or with another server after a failover: it stops, starts, fails over, was cut
// off, or has no connection left (SQLSTATE 08…, 57P01 to 57P03, 25006, 53300).
func interrupted(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if refused, ok := errors.AsType[*pgconn.ConnectError](err); ok && errors.Is(refused, context.DeadlineExceeded) {
		return true // the machine is gone, or the network
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch c := refused.Code; c {
		case "57P01", "57P02", "57P03", readOnly, "53300":
			return true
		default:
			return strings.HasPrefix(c, "08")
		}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

// lockNotAvailable is the SQLSTATE of a lock that did not come within lock_timeout.
const lockNotAvailable = "55P03"

// sqlState is the code of an error of PostgreSQL, or empty.
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// checkDurability refuses a server that answers a COMMIT before it is on disk.
func checkDurability(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	var commit, fsync string
	if err := db.QueryRowContext(ctx, selectDurability).Scan(&commit, &fsync); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if commit == "off" {
		return errors.New("synchronous_commit is off: an answer would be given before it is on disk")
	}
	if fsync == "off" {
		log.Warn("store: the PostgreSQL server runs with fsync=off; a power failure loses the database")
	}
	return nil
}
