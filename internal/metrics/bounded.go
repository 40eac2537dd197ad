package metrics

import "sync"

// maxValues is how many values a label takes. The operations of all entrances are
// some 60.
const maxValues = 200

// bounded keeps a label from getting a value for whatever a stranger thinks of,
// should one reach it by mistake.
type bounded struct {
	mu    sync.RWMutex
	known map[string]struct{}
}

// value is s, or "other" once there are too many values.
func (b *bounded) value(s string) string {
	b.mu.RLock()
	_, ok := b.known[s]
	full := len(b.known) >= maxValues
	b.mu.RUnlock()
	switch {
	case ok:
		return s
	case full:
		return "other"
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil {
		b.known = make(map[string]struct{})
	}
	if _, ok := b.known[s]; !ok && len(b.known) >= maxValues {
		return "other"
	}
	b.known[s] = struct{}{}
	return s
}
