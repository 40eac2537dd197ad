package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// engine is one of the two databases.
type engine string

const (
	sqlite   engine = "sqlite"
	postgres engine = "postgres"
)

// Option changes how a Store is opened.
type Option func(*options)

type options struct {
	readers int
	writers int
	group   int           // writes of a transaction, at most
	pause   time.Duration // before a group among many, see writer.linger
	log     *slog.Logger
	before  func() // each commit of a group; may be nil
	limits  limits
	badRow  func(*mssp.RowError)                   // may be nil
	tie     func(mssp.Ties) (mssp.Instance, error) // may be nil
	schema  schema
	upgrade bool
	// restoring opens a database that no node may open yet.
	restoring bool
	app       string // application_name, unless the URL has one
	listen    string // URL; empty: that of the database
	migrate   MigrationLimits
	step      func(MigrationStep) // may be nil
}

func newOptions(opts []Option) *options {
	o := &options{readers: max(4, 2*runtime.GOMAXPROCS(0)), writers: 2, group: maxGroup, pause: groupPause, log: slog.Default(),
		limits: defaultLimits, schema: latest, app: applicationName, migrate: DefaultMigrationLimits}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// WithWriters sets how many transactions are written at a time on PostgreSQL,
// at least 1; the default is 2. SQLite has one writer whatever is set.
func WithWriters(n int) Option { return func(o *options) { o.writers = max(n, 1) } }

// WithBeforeCommit sets a function that is called before each commit of writes. It is for
// tests of a slow disk.
func WithBeforeCommit(f func()) Option { return func(o *options) { o.before = f } }

// WithLogger sets where the Store reports events that no caller learns of, such as
// a group of writes that had to be run again. The default is slog.Default().
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithRowErrors sets a function that is called once for each row that turns out to
// be unreadable, to count them for example. Reads and writes call it, so it must
// not block.
func WithRowErrors(f func(*mssp.RowError)) Option { return func(o *options) { o.badRow = f } }

// WithListenURL has Nodes listen on a connection of its own URL, which does not go through a pooler.
// The default is the URL of the database. SQLite ignores it.
func WithListenURL(url string) Option { return func(o *options) { o.listen = url } }

// WithMigrations lets Open bring an older schema up to date by itself. Without it, Open
// refuses such a database, and signum migrate is a step of its own: a node that starts
// must not lock tables of nodes that run.
func WithMigrations() Option { return func(o *options) { o.upgrade = true } }

// WithMigrationLimits replaces DefaultMigrationLimits.
func WithMigrationLimits(l MigrationLimits) Option { return func(o *options) { o.migrate = l } }

// WithMigrationProgress sets a function that hears of the beginning of each migration, of
// each slice of rows, and of its end.
func WithMigrationProgress(f func(MigrationStep)) Option { return func(o *options) { o.step = f } }

// Open opens a database, and makes the schema of an empty one. The URL is
// "sqlite:PATH" or a plain path, whose file is created if it does not exist, or
// "postgres://…" ("postgresql://…") as libpq understands it, with its parameters.
// Time limits have defaults, which these parameters replace: connect_timeout,
// statement_timeout, idle_in_transaction_session_timeout, keepalives,
// keepalives_idle, keepalives_interval, keepalives_count and tcp_user_timeout.
// Behind a pooler (PgBouncer) the URL must say pooler=transaction, whichever mode
// the pooler uses: it refuses most settings in a start-up message.
//
// Open fails with a *SchemaError if the schema is older than this program needs, or newer
// than it can use. Its errors never contain the password of the URL.
func Open(ctx context.Context, url string, opts ...Option) (*Store, error) {
	o := newOptions(opts)
	p, err := openPools(ctx, url, o)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := prepare(ctx, p, o); err != nil {
		p.close()
		return nil, err
	}
	s := &Store{
		engine:  p.engine,
		read:    &reader{pools: p, limit: o.limits.read},
		queue:   newQueue(o.writers),
		closeDB: p.closeWriters,
		done:    &p.done,

		unreadable: unreadable{log: o.log, found: o.badRow},
	}
	if o.limits.wait > 0 {
		s.queue.limit = o.limits.wait
	}
	for number := range o.writers {
		w := &writer{pools: p, limits: o.limits, queue: s.queue, number: number, limit: o.group, pause: o.pause, log: o.log, before: o.before}
		s.writers.Go(func() {
			defer event.Rescue(o.log, "store writer")
			w.run()
		})
	}
	return s, nil
}

// prepare checks schema and owner of a database, and changes what is missing.
func prepare(ctx context.Context, p *pools, o *options) error {
	m := &migrator{pools: p, schema: o.schema, limits: o.migrate, log: o.log, progress: o.step, restoring: o.restoring}
	var refused error
	if o.tie != nil {
		m.tie = func(ctx context.Context, tx *sql.Tx, version int) error {
			refused = tieInstance(ctx, tx, version, o.tie)
			return refused
		}
	}
	err := m.open(ctx, o.upgrade)
	if err == nil || refused != nil {
		return refused
	}
	return fmt.Errorf("store: schema: %w", err)
}

// pools are the connections of a database. Reads have their own, so that a write
// never waits for one of them.
type pools struct {
	engine engine
	// pooled means that a pooler stands in between, which may give each transaction
	// a different connection of the server.
	pooled      bool
	begin       string // settings to make in each transaction of writes
	read, write *sql.DB
	control     *sql.DB         // of Nodes, on PostgreSQL
	listen      *pgx.ConnConfig // of Nodes; nil: nothing can be heard
	done        counters
}

func (p *pools) close() {
	p.read.Close()
	p.closeWriters()
}

func (p *pools) closeWriters() error {
	if p.control == nil {
		return p.write.Close()
	}
	return errors.Join(p.write.Close(), p.control.Close())
}

func openPools(ctx context.Context, url string, o *options) (*pools, error) {
	if isPostgres(url) {
		return openPostgres(ctx, url, o)
	}
	path := strings.TrimPrefix(url, "sqlite:")
	if scheme, _, ok := strings.Cut(path, "://"); ok {
		return nil, fmt.Errorf("no database for %s:// URLs; give sqlite:PATH or postgres://…", scheme)
	}
	return openSQLite(ctx, path, o)
}
