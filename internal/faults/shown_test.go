package faults

import "sync"

// counts counts what happened, by number.
type counts struct {
	mu sync.Mutex
	m  map[string]int
}

func (c *counts) add(msisdn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[string]int)
	}
	c.m[msisdn]++
}

func (c *counts) count(msisdn string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[msisdn]
}
