// Package phonetest is a fake phone with a control surface, for the tests of the
// engine and for load tests. A test tells each user what to do with the next
// request, or acts on one that is shown; the device then answers with a real
// key, so that what the engine makes of the answer is real too.
//
//	engine ── Send ──▶ Phones ──▶ Device: refuse, or show ──▶ Config.Shown
//	                     ▲                                        │
//	engine ◀── Answer ───┴── Device.Act: sign, decline … ◀── the user's Action
//
// A Device keeps the rules that the engine relies on: it asks once, however
// often a request is handed over; it repeats an answer that it gave; a SIM that
// is busy answers 406; nothing is signed that is not shown. Everything else of a
// phone is missing on purpose: PINs, bearers, screens. The software SIM and the
// software App are in internal/lab.
//
// It must not know parties, stores, certificates or how a CMS is built; of the
// signed attributes it reads messageDigest and nothing else.
package phonetest
