package config

import "time"

// Drain is how a node stops. Zero both: at once.
type Drain struct {
	// Announce is how long the listeners go on accepting connections after the node has
	// said that it is not ready.
	Announce time.Duration `yaml:"announce"`
	// Wait is how long application providers may wait for an outcome after that.
	Wait time.Duration `yaml:"wait"`
}

// longestDrain is more than any request waits.
const longestDrain = time.Hour

func (d Drain) check(l *problems) {
	for path, t := range map[string]time.Duration{"drain.announce": d.Announce, "drain.wait": d.Wait} {
		if t < 0 || t > longestDrain {
			l.add(path, "must be from 0s to 1h")
		}
	}
}
