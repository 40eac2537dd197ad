// Package limit bounds how often something may happen, for each of many keys: an
// address, a phone number, a device.
//
//	key, now ─▶ Take ─▶ 0: allowed, counted
//	                └─▶ wait: refused, not counted
//
// Each key has a token bucket (golang.org/x/time/rate). The keys are in one table
// of fixed size, and a call costs the same however full it is. When the table is
// full, the key that was used least recently is evicted; a newcomer is never
// refused for lack of room.
//
// An evicted key starts again with a full bucket. To have a key of their own
// choice evicted, an attacker must use as many other keys as the table holds,
// within the time in which the bucket fills up by itself; after that time the
// entry is worth nothing anyway. The gain is one more burst for that key.
//   - If keys are addresses, the attacker owns all those addresses and has a full
//     burst from each: one more is nothing.
//   - If the caller chooses the keys (numbers that are typed in), put a limit by
//     address in front. Filling the table then takes capacity/burst addresses, and
//     that is the price of one more burst against one number.
//
// The opposite rule, to refuse newcomers, would let the same attacker lock
// everybody else out.
//
// Pauses is for what annoys a person each time, such as a prompt on a phone: the pause
// between two uses grows.
//
// It must not know what the keys mean or what a refusal is called.
package limit
