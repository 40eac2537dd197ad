// Package pgtest gives tests a PostgreSQL database.
//
// If SIGNUM_TEST_POSTGRES is set, to a postgres:// URL with the right to create
// databases, that server is used. Otherwise a private server is started, once
// for each test binary, from the programs installed on the machine. It listens on
// a free port of 127.0.0.1, and is removed with its data when the test binary ends,
// however it ends. For tests it flushes nothing to disk; for benchmarks it does.
//
// PoolerURL connects through a PgBouncer that is started in the same way.
//
// NewServer starts a server that a test stops, kills and freezes.
//
// It must not know what is kept in the database.
package pgtest
