// Package card is a SIM card in software, with the applet of
// docs/sim-applet.md on it. It has one door, Transmit, through which APDUs go
// as through the contacts of a card (ETSI TS 102 221, TS 102 223; 3GPP TS
// 31.111):
//
//	ENVELOPE (an SMS-DELIVER) ─▶ reassembly ─▶ security ─▶ applet ─▶ dialogue
//	FETCH ◀── 91xx ◀── queue ◀── SEND SHORT MESSAGE, DISPLAY TEXT, GET INPUT
//	TERMINAL RESPONSE ─▶ the next step of the dialogue, or the reply in parts
//
// A request passes the checks of ETSI TS 102 225 in this order: TAR, key set
// and algorithms, level of security (CC, ciphering, a counter that must be
// higher, and a response secured alike), the checksum, the counter. The first
// that fails is the status of the proof of receipt (PoR), and nothing else has
// happened then. The PoR is secured, and has the counter of the command, if the
// keys of the card authenticated the command; otherwise it is without security
// and its counter is zero, since the true one could not be read. Its TAR is
// always that of the command.
//
// As with cards in plastic, anybody who can send it a message gets such an
// unsecured PoR, to the address that the message claims to come from. Not more
// than a few wait at a time.
//
// The counter moves when the command was authentic, its counter was high enough
// and the card took it. A card that is busy with the user says so by SW 9300 and
// forgets the request, counter included, so that the network may try the
// same message again.
//
// The applet signs in one place, after the right PIN, and only attributes that
// it made itself from the very octets that it had displayed. Besides, the key
// signs the proof of an activation, and decrypts receipts.
//
// A card in plastic has no clock; this one asks Config.Clock, where that one
// would use the timers of the phone (TIMER MANAGEMENT).
//
// The package must not know SMPP, the radio, transactions, certificates, parties
// or persons. No key leaves it but into its Store, and the PIN only there and
// by KnownPIN, for the person that the sandbox plays.
package card
