// Package phones is a mobile network in one directory: an SMSC, handsets and SIM cards, as a
// process of its own, so that several nodes share the phones in tests and demos.
//
//	node A ── SMPP ──▶        ┌──▶ handset ─▶ card (its file and journal in the directory)
//	node B ── SMPP ──▶  SMSC ─┤
//	         replies ◀──      └──▶ handset ─▶ card
//
// The first start makes the cards with their keys, and writes what a service needs of them: a
// file of cards for an import, whose keys are wrapped under a transport key, and a piece of
// configuration with the SMSC. Later starts add cards to those that are there. The cards have no
// signing key until a service activates them, as those of an operator.
//
//	phones.go    opens, runs and closes the network
//	factory.go   makes the cards
//	files.go     what a service needs of them
//	control.go   what users do, faults and health, over HTTP on loopback
//
// The package must not know a service: nodes know the network by SMPP alone.
package phones
