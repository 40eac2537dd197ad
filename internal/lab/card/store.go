package card

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Store is the non-volatile memory of cards. Implementations are safe for
// concurrent use and do not retain a State that they are given.
type Store interface {
	// LoadCard returns the State that was saved last. The error is fs.ErrNotExist
	// if there is none, and another error if it is unreadable.
	LoadCard(iccid string) (*State, error)
	// SaveCard replaces the State atomically.
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
	m.cards[iccid] = s.clone()
	return nil
}

// Dir is a Store in a directory, with a JSON file for each card. A file is readable
// by its owner only, because it holds the key and the PIN in the clear. It is
// replaced atomically but not synced to disk: after a power cut of the machine it may
// have an older state, which is acceptable for a simulator. An unreadable file is an
// error that names it, and is never replaced.
//
// Only one process at a time may use a directory.
type Dir struct{ path string }

var _ Store = (*Dir)(nil)

// OpenDir opens a directory, and creates it if it does not exist.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("cards: %w", err)
	}
	return &Dir{path: path}, nil
}

func (d *Dir) file(iccid string) (string, error) {
	if err := checkICCID(iccid); err != nil {
		return "", err
	}
	return filepath.Join(d.path, iccid+".json"), nil
}

// LoadCard implements Store.
func (d *Dir) LoadCard(iccid string) (*State, error) {
	path, err := d.file(iccid)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("card %s: %w", iccid, err)
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("card %s: %s is corrupt: %w", iccid, path, err)
	}
	return &s, nil
}

// SaveCard implements Store.
func (d *Dir) SaveCard(iccid string, s *State) (err error) {
	path, err := d.file(iccid)
	if err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("card %s: %w", iccid, err)
	}
	tmp, err := os.CreateTemp(d.path, ".tmp-*") // mode 0600
	if err != nil {
		return fmt.Errorf("card %s: %w", iccid, err)
	}
	_, err = tmp.Write(append(text, '\n'))
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("card %s: %w", iccid, err)
	}
	return nil
}

// checkICCID accepts 10 to 20 digits; ITU-T E.118 has 18 to 20.
func checkICCID(s string) error {
	if len(s) < 10 || len(s) > 20 || strings.Trim(s, "0123456789") != "" {
		return errors.New("card: an ICCID has 10 to 20 digits")
	}
	return nil
}
