// Package phone is the simulated handset: a software SIM with its applet and a
// software app, with the person who holds them, and the handset for a SIM card.
// Tests, the sandbox and the web simulator share it.
//
//	Channel.Send ─▶ Network ─▶ Device: check, show ─▶ handset: what the person
//	                   ▲                              does, and when
//	AnswerHandler.Answer ◀──┴────── Device: PIN, sign ◀──────────┘
//
// A transaction can ask a phone three things: a signature, the activation of a
// SIM (a new PIN, a key and the proof of having it), and to show a receipt.
// TransID and Op together name a request; only a withdrawal names the
// transaction alone.
//
// Three parts, so that a bearer can be replaced without touching what signs:
//
//   - Device is the card or app: a key, a PIN with its try counter, one screen,
//     and the rule "what you see is what you sign". It knows no bearer and no
//     person, and starts nothing by itself.
//   - A handset is the person: a Behaviour for each method, and a Place. It also
//     drives the timer of a receipt that nobody touches.
//   - Network is the bearer: a mssp.Channel for many subscribers, which hands
//     over at once and answers later. A request that another app calls waits on
//     the device until Network.Open has the token for it. Network also takes
//     text messages.
//
// Apps are the other bearer, for software Apps alone: a client of the App
// protocol (docs/app-protocol.md), over HTTP and a WebSocket, with the same
// Device and the same persons. The key of such an App is not in the Device but in
// a vault that the passcode and the service's share open for one signature, and
// the service counts the wrong passcodes. What an App keeps is in an AppStore.
//
// Handsets are phones as an operator's network has them, for SIMs alone: what
// comes and goes are TPDUs of short messages, and the card does all that a
// Device does there.
//
//	DeliverSM ─▶ Handsets ─ PID 7F, class 2 ─▶ terminal ── ENVELOPE ──▶ SIM
//	                 │                             ▲ │  ◀── 91xx, FETCH ──┘
//	                 └─ text ─▶ screen, messages   │ ├─▶ SEND SHORT MESSAGE ─▶ Connect
//	                        TERMINAL RESPONSE ─────┘ └─▶ dialogue ─▶ person, or Press
//
// A terminal is the toolkit of a handset with a card in it: one command at a
// time, as ETSI TS 102 223 has it. It goes by what Transmit says and by nothing
// else. A dialogue holds no lock and no goroutine, a message that is being sent
// no lock. The persons behave as those of Network: they, and the events, also go
// by what the card says of itself to the sandbox (SIM). Somebody at a page can
// take the keys over.
//
// A Device signs in one place, after the right PIN, only what is on its screen
// now, and only if messageDigest in the signed attributes is the SHA-256 of the
// text shown; of a transaction approval, that of its rows as the domain writes
// them. A request that fails this is refused with 900: the MSSP made it, so no
// party and no user can be blamed, and the cause stays in the event and the
// log. Besides, a key signs the proof of an activation, which only the device
// words, and decrypts receipts.
//
// The package must not know transactions, parties, stores, certificates or how
// a CMS is built; of the signed attributes it reads messageDigest and nothing
// else. No PIN and no private key leaves it, in an event, a log or an error.
package phone
