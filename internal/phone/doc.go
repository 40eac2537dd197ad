// Package phone is the simulated handset: a software SIM with its applet and a
// software app, with the person who holds them. Tests, the sandbox and the web
// simulator share it.
//
//	Channel.Send ─▶ Network ─▶ Device: check, show ─▶ handset: what the person
//	                   ▲                              does, and when
//	Answerer.Answer ◀──┴────── Device: PIN, sign ◀──────────┘
//
// Three parts, so that a bearer can be replaced without touching what signs:
//
//   - Device is the card or app: a key, a PIN with its try counter, one screen,
//     and the rule "what you see is what you sign". It knows no bearer and no
//     person, and starts nothing by itself.
//   - A handset is the person: a Behaviour for each method.
//   - Network is the bearer: a signum.Channel for many subscribers, which hands
//     over at once and answers later.
//
// A device signs in one place, after the right PIN, only what is on its screen
// now, and only if messageDigest in the signed attributes is the SHA-256 of the
// text shown. A request that fails this is refused with 900: the MSSP made it,
// so no party and no user can be blamed, and the cause stays in the event and
// the log.
//
// The package must not know transactions, parties, stores, certificates or how
// a CMS is built; of the signed attributes it reads messageDigest and nothing
// else. No PIN and no private key leaves it, in an event, a log or an error.
package phone
