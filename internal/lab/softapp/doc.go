// Package softapp simulates phones with the App: software Apps that speak the App
// protocol (docs/app-protocol.md) over HTTP and a WebSocket, and the persons who
// hold them.
//
//	inbox, open ─▶ Apps ─▶ Device: check, show ─▶ person: what they do, and when
//	                 ▲                              │
//	     answer ◀────┴──── Device: unlock, sign ◀───┘
//
// Apps speaks the protocol: it enrols, keeps inboxes open, and repeats answers
// until they arrive. Device shows and signs: it has one screen and follows the
// rule "what you see is what you sign". The key of an App is in a vault. The
// passcode and the service's share open it for one signature, and the service
// counts wrong passcodes. A Store keeps what an App needs after a restart.
//
// A Device signs only what is on its screen, and only if messageDigest in the
// signed attributes is the SHA-256 of the text shown; for a transaction approval,
// of its rows in the form of signum.SignedContent. A person must be able to see every
// character of the text. It declines any other request
// and reports the cause in the event and the log.
//
// The package must not know transactions, parties, the service's store or how a
// CMS is built; of the signed attributes it reads only messageDigest. Passcodes
// and private keys must not leave it in an event, a log line or an error.
package softapp
