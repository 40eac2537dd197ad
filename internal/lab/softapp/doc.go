// Package softapp is software Apps that speak the App protocol
// (docs/app-protocol.md) to a service over HTTP and a WebSocket, and the persons
// who hold them.
//
//	inbox, open ─▶ Apps ─▶ Device: check, show ─▶ person: what they do, and when
//	                 ▲                              │
//	     answer ◀────┴──── Device: unlock, sign ◀───┘
//
// Apps is the bearer: it enrols, keeps inboxes open, and sends answers as often
// as it takes. Device is what signs: one screen, and the rule "what you see is
// what you sign". The key of an App is in a vault that the passcode and the
// service's share open for one signature, and the service counts the wrong
// passcodes. What an App keeps while it is off is in a Store.
//
// A Device signs in one place, only what is on its screen now, and only if
// messageDigest in the signed attributes is the SHA-256 of the text shown; of a
// transaction approval, that of its rows as the domain writes them. A request
// that fails this is declined, since the service made it; the cause is in the
// event and the log.
//
// The package must not know transactions, parties, stores or how a CMS is
// built; of the signed attributes it reads messageDigest and nothing else. No
// passcode and no private key leaves it in an event, a log or an error.
package softapp
