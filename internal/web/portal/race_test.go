//go:build race

package portal

// floodSize is smaller with the race detector, which makes each log-in ten times as
// expensive, but fills the table as well.
const floodSize = maxLogins + 1_000
