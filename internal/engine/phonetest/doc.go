// Package phonetest is a fake phone that tests can control, for the tests of the engine
// and for load tests. A test tells each user what to do with the next request, or acts on
// one that is shown. The device answers with a real key, so the engine's processing of the
// answer is real too.
//
//	engine ── Send ──▶ Phones ──▶ Device: refuse, or show ──▶ Config.Shown
//	                     ▲                                        │
//	engine ◀── Answer ───┴── Device.Act: sign, decline … ◀── the user's Action
//
// A Device follows the rules on which the engine relies: it asks once, however often a
// request is handed over; it repeats its answer; a busy SIM answers 406; it signs nothing
// that it has not shown. It deliberately lacks everything else of a phone: PINs, bearers,
// screens. The software SIM and the software App are in internal/lab.
//
// The package must not know parties, stores, certificates or how a CMS is built. Of the
// signed attributes, it reads messageDigest only.
package phonetest
