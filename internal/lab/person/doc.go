// Package person simulates the user of a phone: what they do with a request and
// when, where they are, and the events that an observer sees.
//
//	Person ──┬─ Behaviour: approve, cancel, wrong PIN …, after a delay
//	         └─ Place: the location that the phone reports when asked
//
//	phone ──▶ Observer ──▶ one function, for each Event in order
//
// It also has the Pool of goroutines in which persons act. Package handset is a
// phone with a SIM card, package softapp a phone with the App. Both import this
// package, which must not know either of them: no card, no protocol, no key.
package person
