// Package node wires one node together: store, issuing CA, SIMs, Apps, engine,
// edges and listeners. It is the only place that sees all of them.
//
//	config.Config ─▶ New ─▶ Run ─▶ Close
//	Deps          ─▶ binds   serves   releases
//
//	listener mss (TLS)  ─▶ edge: rest, soap ─▶ engine ─▶ store
//	listener pki (http) ─▶ ca: OCSP, CRL       │ └───▶ sim ◀─▶ smpp ◀─▶ an SMSC, SIM cards
//	listener web        ─▶ app: Apps ◀─────────┘
//	                    └▶ web: phone page, self-care
//	listener ops (http) ─▶ metrics, health
//
// New acquires everything in the order of dependency, and nothing is served
// before Run. Run starts the parts in stages. At the end it drains, which means that it
// waits for requests that wait for users, and stops the parts in the reverse order:
// listeners and Apps, SIMs, then the SMSC client, the engine and the ops listener.
// Close releases what New acquired, in reverse. Data comes from config; code that may
// differ (clock, logger, wrappers of channels and handlers) comes as Deps, all of
// them optional.
//
// Parts of the process reach each other at the address of a listener
// (MSSAddr, WebListenerURL), never by the public names that clients use.
//
// It must hold no rule of its own: it decides who gets to know whom, and in
// which order things start and stop. It must not know internal/lab.
package node
