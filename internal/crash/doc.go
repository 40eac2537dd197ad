//go:build linux

// Crash ends a running service in every way that a machine can, and then looks whether
// anything was lost.
//
// It builds the program, starts it as a process, and asks it for signatures as parties
// do: with SIMs and Apps, synchronous and asynchronous, with receipts, status queries and
// repeated calls. Meanwhile the process is killed at random times, also while it starts.
// What a party sends is written to a file, the [ledger], before it is sent, and what comes
// back after it came. At the end, everything that a party was told must still be true, and
// the database must contain what the ledger says:
//
//   - the outcome of a transaction that was told to a party is told again by each status
//     query, with the same signature, and is in the database
//   - a call whose answer was lost is in the database once or not at all; the same call
//     again is refused with 101 if it is there
//   - a transaction has one receipt at most
//   - nothing waits longer than its time-out
//   - the counters of SIM cards never go back, and a card never knows a counter that the
//     database does not
//   - all SIMs and Apps still sign
//   - signum check finds nothing
//
// Besides, the database has no space for a time, PostgreSQL and the phones die and hang, and
// commands of operators are killed: a backup that has its name is whole, and a restore that
// was killed says so until it is repeated.
//
// With several nodes on one PostgreSQL, single nodes die, hang and stop, and requests to
// users who answer must not expire because of it. "crash upgrade" replaces the program of
// such nodes by that of an earlier commit and back, under load.
//
// The flags of the command line say for how long, on which store, and with which seed.
// The seed determines what users do and when processes are killed, as far as the times of
// a machine can be determined.
//
// It knows the service from outside, and its tables for the comparison at the end. It must
// not know how the service achieves what is checked.
package main
