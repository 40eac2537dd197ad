package card

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/signum-mssp/signum/internal/durable"
	"github.com/signum-mssp/signum/internal/scp80"
)

// Dir is a Store in a directory, with a JSON file for each card. A file is readable
// by its owner only, because it holds the key and the PIN in the clear, and it is
// replaced atomically. An unreadable file is an error that names it, and is never
// replaced.
//
// What most changes of a card change, its counters and answers, goes to a journal
// that all cards share, because replacing a file costs far more than adding a line to
// another one. The journal moves into the files when it is long and when the Dir is
// closed, which removes it. A Dir that finds a journal therefore knows that the last
// process was killed or that the machine lost power.
//
// A killed process loses no change that SaveCard has made. After a power cut the last
// seconds may be missing, apart from new keys and PINs, which are synced to disk. The
// service refuses a reply with a counter that it has seen, so cards continue far above
// the counters in their files after such an end.
//
// Only one process at a time may use a directory.
type Dir struct {
	path string

	mu      sync.Mutex
	cards   map[string]record // that were loaded or saved
	journal *journal
	dirty   map[string]bool // cards whose files lack what the journal has
}

var _ Store = (*Dir)(nil)

// record is the content of a card's file.
type record struct {
	*State
	// Saves is how often the state has changed. It tells which entries of the journal
	// the file contains.
	Saves uint64 `json:"saves,omitempty"`
}

// usable reports whether a card can have this state.
func (r record) usable() bool {
	_, err := parseKey(r.Key)
	return err == nil && r.check() == nil
}

// OpenDir opens a directory, and creates it if it does not exist.
func OpenDir(path string) (*Dir, error) {
	d := &Dir{path: path, cards: make(map[string]record), dirty: make(map[string]bool)}
	err := os.MkdirAll(path, 0o700)
	if err == nil {
		err = durable.Clean(path)
	}
	var left []entry
	var found bool
	if err == nil {
		d.journal, left, found, err = openJournal(filepath.Join(path, "journal"))
	}
	if err == nil && found {
		err = d.recover(left)
	}
	if err != nil {
		return nil, fmt.Errorf("cards: %w", errors.Join(err, d.journal.close()))
	}
	return d, nil
}

// skipped is how many counters of replies a card leaves out after an unexpected end:
// more than it can have used in the seconds that a power cut may cost, and few enough
// for a million such ends.
const skipped = 1 << 20

// recover moves what the last process left in the journal into the files.
func (d *Dir) recover(left []entry) error {
	files, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, f := range files {
		iccid, ok := strings.CutSuffix(f.Name(), fileExt)
		if !ok {
			continue
		}
		if r, err := d.read(iccid); err == nil && r.usable() { // New reports the others
			d.cards[iccid] = r
		}
	}
	for _, e := range left {
		if r, ok := d.cards[e.Card]; ok && e.Saves == r.Saves+1 {
			d.cards[e.Card] = record{e.after(r.State), e.Saves}
		}
	}
	for iccid, r := range d.cards {
		r.Replies = min(r.Replies+skipped, scp80.MaxCounter)
		d.dirty[iccid] = true
	}
	return d.checkpoint()
}

// fileExt ends the name of a card's file, after its ICCID.
const fileExt = ".json"

func (d *Dir) file(iccid string) (string, error) {
	if err := checkICCID(iccid); err != nil {
		return "", err
	}
	return filepath.Join(d.path, iccid+fileExt), nil
}

// LoadCard implements Store.
func (d *Dir) LoadCard(iccid string) (*State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.cards[iccid]
	if !ok {
		var err error
		if r, err = d.read(iccid); err != nil {
			return nil, err
		}
		d.cards[iccid] = r
	}
	return r.clone(), nil
}

func (d *Dir) read(iccid string) (record, error) {
	path, err := d.file(iccid)
	if err != nil {
		return record{}, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return record{}, fmt.Errorf("card %s: %w", iccid, err)
	}
	r := record{State: new(State)}
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("card %s: %s is corrupt: %w", iccid, path, err)
	}
	return r, nil
}

// SaveCard implements Store.
func (d *Dir) SaveCard(iccid string, s *State) error {
	if err := d.save(iccid, s); err != nil {
		return fmt.Errorf("card %s: %w", iccid, err)
	}
	return nil
}

func (d *Dir) save(iccid string, s *State) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, known := d.cards[iccid]
	next := record{s, old.Saves + 1}
	if !known || s.KeySet != old.KeySet || s.PIN != old.PIN || !bytes.Equal(s.Key, old.Key) {
		if err := d.write(map[string]record{iccid: next}); err != nil {
			return err
		}
		d.cards[iccid] = next
		delete(d.dirty, iccid)
		return nil
	}
	if d.journal.full() {
		if err := d.checkpoint(); err != nil {
			return err
		}
	}
	if err := d.journal.add(change(iccid, old.State, next)); err != nil {
		return err
	}
	d.cards[iccid], d.dirty[iccid] = next, true
	return nil
}

// write replaces the files of cards.
func (d *Dir) write(cards map[string]record) error {
	files := make(map[string][]byte, len(cards))
	for iccid, r := range cards {
		path, err := d.file(iccid)
		if err != nil {
			return err
		}
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		files[filepath.Base(path)] = append(text, '\n')
	}
	return durable.WriteAll(d.path, files, 0o600)
}

// checkpoint brings the files up to date and empties the journal. If it stops in
// between, the journal still has all entries, and those that a file contains are
// left out when they are read.
func (d *Dir) checkpoint() error {
	cards := make(map[string]record, len(d.dirty))
	for iccid := range d.dirty {
		cards[iccid] = d.cards[iccid]
	}
	if len(cards) > 0 {
		if err := d.write(cards); err != nil {
			return err
		}
	}
	clear(d.dirty)
	return d.journal.empty()
}

// Close brings the files of the cards up to date. Nothing may be saved afterwards.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.checkpoint()
	done := err == nil
	if err = errors.Join(err, d.journal.close()); done && err == nil {
		err = os.Remove(d.journal.path)
	}
	if err != nil {
		return fmt.Errorf("cards: %w", err)
	}
	return nil
}
