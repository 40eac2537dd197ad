package card

import (
	"fmt"
	"io/fs"
	"sync"
)

// Store is the non-volatile memory of cards. Implementations are safe for
// concurrent use.
type Store interface {
	// LoadCard returns the State that was saved last. The error is fs.ErrNotExist
	// if there is none, and another error if it is unreadable.
	LoadCard(iccid string) (*State, error)
	// SaveCard replaces the State atomically. The store may keep s, so nobody changes
	// it afterwards.
	SaveCard(iccid string, s *State) error
}

// Memory is a Store that lasts as long as the process.
type Memory struct {
	mu    sync.Mutex
	cards map[string]*State
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{cards: make(map[string]*State)} }

// LoadCard implements Store.
func (m *Memory) LoadCard(iccid string) (*State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.cards[iccid]; ok {
		return s.clone(), nil
	}
	return nil, fmt.Errorf("card %s: %w", iccid, fs.ErrNotExist)
}

// SaveCard implements Store.
func (m *Memory) SaveCard(iccid string, s *State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cards[iccid] = s
	return nil
}
