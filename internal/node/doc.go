// Package node wires one node together: store, issuing CA, SIMs, Apps, engine,
// edges and listeners. It is the only place that sees all of them.
//
//	listener (TLS) ─▶ edge: rest, soap ─▶ engine ─▶ store
//	listener (http) ─▶ ca: OCSP, CRL       │ └───▶ sim ◀─▶ smpp ◀─▶ an SMSC, SIM cards
//	listener (web)  ─▶ app: Apps ◀─────────┘
//	                └▶ web: phone page, self-care
//
// It must hold no rule of its own: what it decides is who gets to know whom,
// and in which order things start and stop.
package node
