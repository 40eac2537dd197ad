// Package sandbox is a developer's whole service in one directory: the files
// that clients need, a party, users with phones, and an example that shows a
// signature from request to verification.
//
//	Open ─▶ files ─▶ server (TLS, PKI, web) ─▶ users ─▶ Example over both wires
//
// SIMs are behind a mobile network of the sandbox's own, on loopback: an SMSC and
// handsets with cards (or those of somebody else's SMSC). A handset answers as its
// user was told to, or as the person does who has opened its page.
//
// Users' Apps are software that speaks the App protocol over loopback, or, with
// WebPhones, a person's browser.
//
// The directory can be used again, with its keys and data. What clients may
// read stands on top, everything else in private/. Certificates are marked
// TEST; nothing here is for production.
//
// It must not know how messages are encoded or transactions run: it uses the
// server as an operator would, and the client as a party would.
package sandbox
