package card

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// journalSize is the length in bytes from which a journal moves into the files of
// the cards: some 20 seconds of signatures at full speed.
const journalSize = 8 << 20

// entry is one change of a card, a line of the journal. It contains neither key nor PIN.
type entry struct {
	Card    string `json:"card"`
	Saves   uint64 `json:"saves"` // of the record after the change
	Counter uint64 `json:"counter"`
	Replies uint64 `json:"replies"`
	Tries   int    `json:"tries_left"`
	// Forgotten is how many of the oldest answers are gone.
	Forgotten int      `json:"forgotten,omitempty"`
	Answers   []Answer `json:"answers,omitempty"` // that are new
}

// change returns how a record differs from the state before.
func change(iccid string, old *State, next record) entry {
	e := entry{Card: iccid, Saves: next.Saves, Counter: next.Counter, Replies: next.Replies, Tries: next.TriesLeft}
	for !begins(next.Answers, old.Answers[e.Forgotten:]) {
		e.Forgotten++
	}
	e.Answers = next.Answers[len(old.Answers)-e.Forgotten:]
	return e
}

func begins(all, first []Answer) bool {
	return len(all) >= len(first) && slices.EqualFunc(all[:len(first)], first, func(a, b Answer) bool {
		return a.Op == b.Op && a.ID == b.ID && bytes.Equal(a.Reply, b.Reply)
	})
}

// after returns the state after the change.
func (e *entry) after(old *State) *State {
	s := old.clone()
	s.Counter, s.Replies, s.TriesLeft = e.Counter, e.Replies, e.Tries
	s.Answers = append(s.Answers[min(e.Forgotten, len(s.Answers)):], e.Answers...)
	return s
}

// journal is a file to which entries are added.
type journal struct {
	path string
	file disk
	size int64
	max  int64
	err  error // the file has half an entry that cannot be removed
}

// disk is what a journal needs of an *os.File.
type disk interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
}

// openJournal opens a journal, or creates it. It returns the entries of the one that it found.
func openJournal(path string) (j *journal, left []entry, found bool, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		found = true
		if left, err = parseJournal(text); err != nil {
			return nil, nil, true, fmt.Errorf("%s is corrupt: %w; to go on without the changes in it, empty the file", path, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, false, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, false, err
	}
	return &journal{path: path, file: f, size: int64(len(text)), max: journalSize}, left, found, nil
}

// parseJournal returns the entries. A process that is killed may leave half a line
// at the end, and a power cut zeros; SaveCard did not return for either.
func parseJournal(text []byte) (all []entry, err error) {
	text = bytes.TrimRight(text, "\x00")
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	n := 0
	for line := range bytes.Lines(text) {
		n++
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if e.Forgotten < 0 {
			return nil, fmt.Errorf("line %d: forgotten is negative", n)
		}
		all = append(all, e)
	}
	return all, nil
}

func (j *journal) full() bool { return j.size >= j.max }

// add writes an entry. An entry that was written in part is removed, because the next
// one would continue its line.
func (j *journal) add(e entry) error {
	if j.err != nil {
		return j.err
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	n, err := j.file.WriteAt(append(line, '\n'), j.size)
	if err == nil {
		j.size += int64(n)
		return nil
	}
	if n > 0 {
		j.err = j.file.Truncate(j.size)
	}
	return errors.Join(err, j.err)
}

func (j *journal) empty() error {
	err := j.file.Truncate(0)
	if err == nil {
		j.size, j.err = 0, nil
	}
	return err
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}
