// Command bench measures the service under load and prints figures and ratios
// of one run; it asserts nothing.
//
// Servers and the load generator are separate processes, on loopback:
//
//	bench ─┬─▶ bench server   this service, SQLite on disk, phones that answer at once
//	       ├─▶ bench bare     net/http with mutual TLS: the same JSON decoded, one
//	       │                  P-256 signature, one verification, an answer of the same size
//	       └─▶ bench load     synchronous requests over mutual TLS to either
//
// The bare server shows what the machine can do without a service. Rounds alternate
// between the servers, because machines are noisy. There are three servers of this
// service: with phones in memory, with SIM cards on an emulated network, and with Apps.
// SIM cards and network are part of the server's process, so its CPU time contains
// theirs; the cards are on disk, as in the sandbox that users run. The Apps are a process of their own (bench apps), whose CPU time is printed
// separately; both count for the signatures per second, because they share the machine.
//
// Connected Apps are measured with processes of the same kind:
//
//	bench ─┬─▶ bench server   accounts without an App, and their activation codes
//	       ├─▶ bench apps     an App for each code, all connected; and the party that asks them
//	       └─▶ bench echo     net/http over plain http: the request comes back
//
// Server and Apps are two processes because each connection takes a file descriptor at
// both ends.
//
// bench fairness measures what a party with one request at a time notices of one with many
// connections. bench overload asks far more of the service than it can do, with one
// processor and a slow disk, and prints what gets done. In both the cards are in memory,
// because the phones of a real network do not use the disk of the service.
//
// bench also starts the program itself, and measures the time to a signature that
// verifies and the memory. bench peers compares the sandbox with the mock servers of
// others, which scripts/bench-peers.sh fetches.
//
// The package must know the service only as a client does. Nothing in the product
// imports it.
package main
