// Package web holds the pages that people see: the App under /phone, which a
// person installs on a phone, the self-care portal under /me, and in the sandbox
// the handsets with a simulated SIM under /phone/sim.
//
// The App is static files in the binary, plain ES modules without a framework,
// and speaks docs/app-protocol.md alone. It must not know keys, passcodes or
// texts on this side; those live in the person's browser.
//
// The portal renders its pages here. It is a party to the service like any
// other: a log-in is a signature that it asks for. It must not know how a
// signature is made, nor the rules of a transaction.
//
// The handset page shows what a card has on its screen and passes key presses
// back, so that a person can sit in for the one whom a simulated handset has:
//
//	Handsets ─ state, whole, with every change (WebSocket) ─▶ page
//	Handsets ◀─ one key for one dialogue (POST) ─ page
//
// It exists in the sandbox only: whoever reaches it holds the phones of all. It
// must not know what a dialogue is about, and keeps neither texts nor PINs. A
// PIN passes through here once, and reaches no log, page or address.
package web
