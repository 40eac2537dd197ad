package card

import "errors"

// PartsLifetime exports partsLifetime for the tests.
const PartsLifetime = partsLifetime

// LostAfter exports lostAfter for the tests.
const LostAfter = lostAfter

// Skipped exports skipped for the tests.
const Skipped = skipped

// LimitJournal sets the length from which the journal moves into the files.
func (d *Dir) LimitJournal(size int64) { d.journal.max = size }

// FillDisk makes the journal fail in the middle of an entry, after so many octets, until
// it returns. If stuck, the rest of the entry cannot be removed.
func (d *Dir) FillDisk(room int, stuck bool) (empty func()) {
	free := d.journal.file
	d.journal.file = &fullDisk{free, room, stuck}
	return func() { d.journal.file = free }
}

type fullDisk struct {
	disk
	room  int
	stuck bool
}

func (f *fullDisk) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.disk.WriteAt(b[:min(len(b), f.room)], at)
	return n, errors.Join(err, errFull)
}

func (f *fullDisk) Truncate(size int64) error {
	if f.stuck {
		return errFull
	}
	return f.disk.Truncate(size)
}

var errFull = errors.New("no space left on device")

// ParseJournal exports parseJournal for the tests.
func ParseJournal(text []byte) error {
	_, err := parseJournal(text)
	return err
}
