// Package sandbox is a developer's whole service in one directory: the files
// that clients need, a party, users with phones, and an example that shows a
// signature from request to verification.
//
//	Open ─▶ files ─▶ radio (SMSC, handsets) ─▶ node ─▶ software Apps ─▶ accounts, cards
//	Run  ─▶ node serves ─▶ Apps enrol ─▶ Ready ─▶ Example over both wires
//
// Requests to SIMs go through the sandbox's own mobile network on loopback: an
// SMSC and handsets with cards. (Another SMSC can take its place.) A handset
// answers as its user was told to, or as the person does who has opened its page.
//
// Users' Apps are software that speaks the App protocol to the listener of the
// pages or, with WebPhones, a person's browser.
//
// A directory can be used again, with its keys and data. Files for clients are at
// the top, everything else is in private/. Certificates are marked TEST; nothing
// here is for production.
//
// It must not know how messages are encoded or how transactions run: it writes
// the configuration of a node as an operator would, and uses the client as a
// party would.
package sandbox
