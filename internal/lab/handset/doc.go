// Package handset is phones with a SIM card on one radio network. What comes
// and goes are TPDUs of short messages, and the card does everything that needs
// a key or a PIN.
//
//	DeliverSM ─▶ Network ─ PID 7F, class 2 ─▶ terminal ── ENVELOPE ──▶ SIM
//	                │                             ▲ │  ◀── 91xx, FETCH ──┘
//	                └─ text ─▶ screen, messages   │ ├─▶ SEND SHORT MESSAGE ─▶ Connect
//	                       TERMINAL RESPONSE ─────┘ └─▶ dialogue ─▶ person, or Press
//
// A terminal is the toolkit of a handset with a card in it: one command at a
// time, as in ETSI TS 102 223. It goes by what Transmit says and by nothing
// else. A dialogue holds no lock and no goroutine, and a message that is being
// sent holds no lock. The persons and the events also use what the card says of
// itself to the sandbox (SIM). Somebody at a page can take over the keys.
//
// The package must not know the service: no transaction, no store, no
// certificate, no CMS. No PIN leaves it in an event, a log or an error.
package handset
