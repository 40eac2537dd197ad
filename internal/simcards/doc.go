// Package simcards provisions SIM cards: it brings them into the store, with their
// keys, and moves them between stock, subscribers and numbers.
//
//	CSV file ──▶ Import ─┐
//	swap, renumber,      ├──▶ Provisioner ──▶ store (cards, accounts, SIMs)
//	block, end, reopen ──┘        │      ├──▶ Revoke, of the old SIM's certificate
//	                              │      └──▶ Placed, where cards are emulated
//	                              └─ KeyRing: wraps the keys before they are stored
//
// Every change can be repeated after a crash at any point, with the same result. The
// keys of a card are in the clear only in the file and in memory; the store holds
// them wrapped under the master key of a KeyRing. The channel to the cards (package
// sim) unwraps them through an interface of its own, so that neither package imports
// the other.
//
//	provision.go    Provisioner: swap, renumber, block, show
//	life.go         the end of a SIM, and its return
//	import.go       the import of a file; csv.go reads it
//	place.go        what one row of it does
//	keyring.go      keys at rest
//
// Package simcards must not know how a card is reached, what a packet looks like, or
// what a transaction is. Its callers (administration, command line, sandbox) decide
// who may use it.
package simcards
