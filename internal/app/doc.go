// Package app is the service's side of the App protocol (docs/app-protocol.md):
// the channel of the method App.
//
//	engine ── Send ──▶ registry ──▶ inbox (WebSocket) ──▶ App
//	                      └───────▶ push (wakes an App without an open inbox)
//	App ── proof ──▶ limits ──▶ call ──▶ AnswerHandler, Store, CA
//
// The Store keeps what must survive, and the Inbox knows what is pending. The
// memory of this package may be lost at any time: each App gets everything again
// with its next sync.
//
// The package must not know how a transaction is decided or what the web App
// looks like. It never sees a passcode, only a hash of a key derived from it.
package app
