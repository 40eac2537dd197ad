// Package card is a SIM card in software that carries the applet of
// docs/sim-applet.md. Its only interface to the outside is Transmit, which takes
// APDUs as the contacts of a card do (ETSI TS 102 221, TS 102 223; 3GPP TS
// 31.111):
//
//	ENVELOPE (an SMS-DELIVER) ─▶ reassembly ─▶ security ─▶ applet ─▶ dialogue
//	FETCH ◀── 91xx ◀── queue ◀── SEND SHORT MESSAGE, DISPLAY TEXT, GET INPUT
//	TERMINAL RESPONSE ─▶ the next step of the dialogue, or the reply in parts
//
// A request passes the checks of ETSI TS 102 225 in this order: TAR, key set
// and algorithms, security level (CC, ciphering, a counter that must be higher,
// and a response secured in the same way), checksum, counter. The first check that
// fails determines the status of the proof of receipt (PoR), and the request has no
// other effect. If the keys of the card authenticated the command, the PoR is
// secured and repeats the command's counter. Otherwise it is unsecured and its
// counter is zero, because the card could not read the real one. Its TAR is always
// that of the command.
//
// As with a physical card, anyone who can send it a message gets such an unsecured
// PoR, at the address from which the message claims to come. The card limits how
// many of them wait at a time.
//
// The counter moves only if the command is authentic, its counter is high enough,
// and the card accepts it. A card that is busy with the user answers SW 9300 and
// forgets the request, including its counter, so that the network can try the same
// message again.
//
// If a request names its party, that has a screen of its own before the text (sender.go)
// and is not signed.
//
// The applet signs in one place, after the right PIN, and only attributes that it
// built itself from the octets that it displayed. The key also signs the proof of
// an activation, and decrypts receipts.
//
// A physical card has no clock and uses the timers of the phone (TIMER
// MANAGEMENT). This one asks Config.Clock.
//
// The package must not know SMPP, the radio, transactions, certificates, parties
// or persons. Keys leave it only into its Store. The PIN leaves it only into the
// Store and through KnownPIN, for the person whom the sandbox simulates.
package card
