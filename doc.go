// Package signum is the domain of a Mobile Signature Service Provider (MSSP).
//
// An application provider (AP, here: a party) asks for the signature of one
// mobile user; the MSSP chooses a method (SIM applet or app), has the phone
// show the data to be displayed (DTBD) and sign it, and answers with a CMS.
// The messages, codes and rules are those of ETSI TS 102 204 in the dialect
// of Swisscom Mobile ID.
//
// The package holds what every other package shares: messages, status codes
// and faults, signature profiles, parties, subscribers, transactions, and the
// ports (Store, Channel, Clock) that adapters implement.
//
// It must not know how a message is encoded, where a transaction is kept, or
// how a phone is reached. It imports the standard library only.
package signum
