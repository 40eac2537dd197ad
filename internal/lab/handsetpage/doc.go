// Package handsetpage serves the handsets with a simulated SIM under /phone/sim.
// It shows what a card has on its screen and passes key presses back, so that a
// person can take the place of the one whom the handset simulates:
//
//	Handsets ─ whole state, on every change (WebSocket) ─▶ page
//	Handsets ◀─ one key for one dialogue (POST) ─ page
//
// The page uses style sheet, icon and modules of the phone page, which is
// served beside it.
//
// It exists in the sandbox only: anyone who can reach it holds everybody's
// phone. It must not know what a dialogue is about, and keeps neither texts nor
// PINs. A PIN passes through here once; it reaches no log, page or address.
package handsetpage
