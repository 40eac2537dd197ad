// Package handsetpage serves the handsets with a simulated SIM under /phone/sim.
// It shows the screen of a handset and passes key presses to its card, so that a
// person can answer instead of the simulated one:
//
//	Handsets ─ whole state, on every change (WebSocket) ─▶ page
//	Handsets ◀─ one key for one dialogue (POST) ─ page
//
// The page uses the style sheet, the icon and modules of the phone page, which
// must be served on the same host.
//
// It exists in the sandbox only: anyone who can reach it controls every phone. It
// must not know what a dialogue is about, and stores neither texts nor PINs. A PIN
// passes through once and appears in no log, page or address.
package handsetpage
