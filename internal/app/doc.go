// Package app is the service's side of the App protocol (docs/app-protocol.md):
// the bearer of the method App.
//
//	engine ── Send ──▶ book ──▶ inbox (WebSocket) ──▶ App
//	                     └────▶ push (wakes an App that has no inbox open)
//	App ── proof ──▶ limits ──▶ call ──▶ AnswerHandler, Store, CA
//
// What must survive is the store's, and what is pending is the Inbox's: the
// memory of this package can be lost at any time, and the next sync of each App
// heals it. It must not know how a transaction is decided, what the web App
// looks like, nor a passcode: it sees a hash of what an App derives from one.
package app
