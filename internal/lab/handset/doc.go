// Package handset emulates phones with SIM cards on one radio network. The network
// exchanges TPDUs of short messages with them, and the card does everything that needs
// a key or a PIN.
//
//	DeliverSM ─▶ Network ─ PID 7F, class 2 ─▶ terminal ── ENVELOPE ──▶ SIM
//	                │                             ▲ │  ◀── 91xx, FETCH ──┘
//	                └─ text ─▶ screen, messages   │ ├─▶ SEND SHORT MESSAGE ─▶ Connect
//	                       TERMINAL RESPONSE ─────┘ └─▶ dialogue ─▶ person, or Press
//
// A terminal is the toolkit of a handset with a card: it runs one command at a time,
// as ETSI TS 102 223 demands, and depends on the answers of Transmit alone. A dialogue
// holds neither a lock nor a goroutine; a message that is being sent holds no lock. The
// simulated persons and the events also use what the card reveals to the sandbox
// (SIM). A person at a page can take over the keys.
//
// The package must not know the service: no transaction, no store, no certificate, no
// CMS. No event, log or error contains a PIN.
package handset
