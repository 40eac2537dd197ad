// Package sandbox is a complete service for a developer, in one directory: the files
// that clients need, a party, users with phones, and an example that shows signatures
// from request to verification.
//
//	Open ─▶ files ─▶ world (handsets, roster), SMSC ─▶ node ─▶ software Apps ─▶ accounts, cards
//	Run  ─▶ node serves ─▶ Apps enrol ─▶ Ready ─▶ Example over both wires
//
// Requests to SIMs go through the sandbox's own mobile network on loopback: an SMSC, and
// handsets with cards. (Another SMSC can replace it.) A handset answers as its simulated
// user behaves, or as the person does who has opened its page.
//
// Users' Apps are software that speaks the App protocol to the listener of the pages or,
// with WebPhones, a person's browser.
//
// The users, parties and phones are those of a world (package world), whose service is the
// node.
//
// A directory keeps its keys and data for the next run. Files for clients are at the top,
// everything else is in private/. What users and parties have that those of a new sandbox do
// not is in private/scenario.yaml; sandbox.json is only for clients. Certificates are marked TEST; nothing here is for
// production.
//
// The package must not know how messages are encoded or how transactions run: it writes
// the configuration of a node as an operator does, and uses the client as a party does.
package sandbox
