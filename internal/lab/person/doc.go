// Package person is who holds a simulated phone: what they do with a request
// and when, where they are, and what others see happen.
//
//	Person ──┬─ Behaviour: approve, cancel, wrong PIN …, after a delay
//	         └─ Place: what a phone that is asked tells about its location
//
//	phone ──▶ Observer ──▶ one function, for every Event in order
//
// It also has the Pool in which persons act. Package handset is a phone with a
// SIM card, package softapp one with the App; both import this package, which
// must not know either of them: no card, no protocol, no key.
package person
