// Package pgtest gives tests a PostgreSQL database.
//
// If SIGNUM_TEST_POSTGRES is set, to a postgres:// URL with the right to create
// databases, that server is used. Otherwise a private server is started, once
// for each test binary, from the binaries installed on the machine; it listens
// on a free port of 127.0.0.1 and goes, data and all, when the test binary
// ends, however it ends. Tests flush nothing to disk; benchmarks do.
//
// PoolerURL leads through a PgBouncer that is started in the same way.
//
// It must not know what is kept in the database.
package pgtest
