// Package phonepage serves the App under /phone, which a person can install on a phone
// as a web app.
//
// The App consists of static files, plain ES modules without a framework. It runs in
// the browser and speaks the protocol of docs/app-protocol.md to package app:
//
//	browser ── files ──▶ phonepage
//	browser ◀─ /app/v2: proofs, requests, answers ─▶ app
//
// The package must not know keys, passcodes or texts, which exist in the browser
// only.
package phonepage
