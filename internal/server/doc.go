// Package server wires one node together: store, issuing CA, phones, engine,
// edges and listeners. It is the only place that sees all of them.
//
//	listener (TLS) ─▶ edge: rest, soap ─▶ engine ─▶ store
//	listener (http) ─▶ ca: OCSP, CRL         └───▶ channels (phones)
//
// It must hold no rule of its own: what it decides is who gets to know whom,
// and in which order things start and stop.
package server
