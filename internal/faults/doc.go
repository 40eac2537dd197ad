// Package faults tests what a party and an operator see while something that the service
// needs fails: the database, the disk, the SMSC, file descriptors.
//
// Each test has a whole node with real SIM cards behind an SMSC, and the fault is the real
// one: PostgreSQL is stopped, killed or frozen, SQLite runs out of space, the SMSC goes away.
// In every case it checks the same: a party is answered in time and is told 900 for a fault
// of the service, a user who was asked can still answer, nothing is lost or done twice, log,
// metrics and readiness tell the operator, and the service works again by itself. The table in
// docs/reliability.md lists the faults; "make faults" runs the tests with longer faults.
//
// It knows the service from outside: parties, phones, /readyz, /metrics, log and tables. It
// must not know how the service copes.
package faults
