// Package simcards provisions SIM cards: it brings them into the store, with their
// keys, and moves them between stock, subscribers and numbers.
//
//	CSV file ──▶ Import ─┐
//	swap, renumber,      ├──▶ Provisioner ──▶ store (cards, accounts, SIMs)
//	block, unblock ──────┘        │      ├──▶ Revoke, of the old SIM's certificate
//	                              │      └──▶ Placed, where cards are emulated
//	                              └─ KeyRing: wraps the keys before they are stored
//
// Every change can be repeated after a crash at any point and then ends the same.
// The keys of a card are in the clear in the file and in memory only; the store
// holds them wrapped under the master key of a KeyRing. The channel to the cards
// (package sim) unwraps them through an interface that it declares itself, so that
// neither package imports the other.
//
// Package simcards must not know how a card is reached, what a packet looks like,
// or what a transaction is. Who may call it is decided by its callers:
// administration, the command line, the sandbox.
package simcards
