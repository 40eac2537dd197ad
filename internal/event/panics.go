package event

import (
	"maps"
	"sync"
)

// maxPlaces bounds what is counted apart; the rest is "other". There are some 80.
const maxPlaces = 200

// panics counts for the whole process: a goroutine that rescues knows its logger
// and nothing of the node that it belongs to.
var panics panicCounter

type panicCounter struct {
	mu sync.Mutex
	by map[string]uint64 // by place
}

func (c *panicCounter) count(where string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]uint64)
	}
	if _, ok := c.by[where]; !ok && len(c.by) >= maxPlaces {
		where = "other"
	}
	c.by[where]++
}

// Panics returns how many panics this process has rescued, by place.
func Panics() map[string]uint64 {
	panics.mu.Lock()
	defer panics.mu.Unlock()
	return maps.Clone(panics.by)
}
