//go:build !race

package portal

// floodSize is how many log-ins the attacker of a test begins.
const floodSize = 200_000
