// Package phonepage serves the App under /phone, which a person installs on a
// phone as a web app.
//
// The App is static files, plain ES modules without a framework. It runs in the
// person's browser and speaks docs/app-protocol.md, and nothing else, to
// package app:
//
//	browser ── files ──▶ phonepage
//	browser ◀─ /app/v1: proofs, requests, answers ─▶ app
//
// On this side of the connection the package must not know keys, passcodes or
// texts: those live in the browser alone.
package phonepage
