// Package fair shares what is scarce between parties: the writer of the database, the
// workers that send, the room in a window, the processors.
//
//	key, entry ─▶ Queue ─▶ the next entry: one of each key in turn
//	key        ─▶ Turns ─▶ one of n places; those who wait are in a Queue
//
// A key with a single entry waits for at most one entry of each other key, however many
// entries these have. Within a key, entries that continue begun work come before those
// that begin some; otherwise the order is that of arrival.
//
// The key travels in the context (With), because it belongs to the whole call, and the
// ports on its way have no use for it otherwise. Work without a key shares the key "".
//
// All operations take constant time, except Oldest and the end of Trim, which look at each
// key. Nothing is kept for a key that has no entries.
//
// It must not know what a key means.
package fair
