// Package world is one world of a sandbox: its parties, its users, and their phones. The
// service that asks the phones is not part of it: a node is the service of the world that
// every sandbox has, a small assembly around one engine that of the others.
//
//	New ─▶ roster, handsets, requests        Wrap… ─▶ what goes between engine and phones
//	Connect ─▶ the service                   Populate ─▶ accounts and SIM cards
//	ConnectApps ─▶ software Apps             Complete ─▶ Apps, states, behaviours
//
// The roster says who the users are, as they were asked for. Adding or changing a user makes
// account and phones what the roster says; each number has one such change at a time. A
// pattern in the roster makes its users between the engine and the store, when the engine
// first looks for a number. In a lazy world, all users are made so. Reset takes the roster of
// the start.
//
// Every request to a phone passes the requests of the world: a script or a test may say what
// becomes of it before its user does.
//
// The package must not know directories, listeners, or how messages are encoded.
package world
