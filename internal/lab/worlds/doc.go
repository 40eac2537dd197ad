// Package worlds makes, finds and drops the worlds that a sandbox has besides that of its
// directory. Each is a service of its own around one engine, in memory, with the keys of the
// sandbox's CA:
//
//	request ─▶ Router ── certificate, AP_ID ─▶ world: engine ─▶ store in memory
//	                                             ├─▶ sim ─▶ SMSC in this process ─▶ handsets
//	                                             └─▶ app ◀─ software Apps, over loopback
//	OCSP, CRL below /w/NAME ─▶ issuer of the world
//
// A world is made within milliseconds: users, cards and keys come when they are first asked
// for, and RSA keys from a stock. Nothing of a world is kept.
//
// The package must not know the directory of a sandbox or how messages are encoded.
package worlds
