package retention

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signum-mssp/signum/internal/durable"
)

// exporter writes transactions into files before they are deleted: one line of JSON each,
// compressed, one file for a partition or a span of time. A file is complete and on disk
// before it gets its name, and never changes then.
//
// After a crash, a set may come again whose file is there already. What it has is left out
// then, and the rest, which should be nothing, gets a file with the next number.
type exporter struct{ directory string }

func newExporter(directory string) (*exporter, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	return &exporter{directory}, durable.Clean(directory)
}

// key recognises a transaction in a file.
type key [16]byte

func keyOf(id string) key {
	sum := sha256.Sum256([]byte(id))
	return key(sum[:16])
}

// write makes the file of a set, and returns how many transactions it has.
func (e *exporter) write(name string, rows func(add func(id string, line []byte) error) error) (n int, err error) {
	known, number, err := e.known(name)
	if err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(e.directory, durable.Prefix+"*") // for the owner alone
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	packed := gzip.NewWriter(f)
	out := bufio.NewWriterSize(packed, 1<<16)
	err = rows(func(id string, line []byte) error {
		if known[keyOf(id)] {
			return nil
		}
		n++
		_, err := out.Write(append(line, '\n'))
		return err
	})
	if err = errors.Join(err, out.Flush(), packed.Close(), f.Sync(), f.Close()); err != nil || n == 0 {
		return 0, err
	}
	// Unlike a rename, a link replaces no file.
	if err := os.Link(f.Name(), e.path(name, number)); err != nil {
		return 0, err
	}
	return n, durable.SyncDir(e.directory)
}

// path is the file of a set. There is more than one number only after a crash.
func (e *exporter) path(name string, number int) string {
	if number > 1 {
		name = fmt.Sprintf("%s.%d", name, number)
	}
	return filepath.Join(e.directory, name+".jsonl.gz")
}

// known are the transactions in the files of a set, and the number of the next file.
func (e *exporter) known(name string) (known map[key]bool, number int, err error) {
	known = make(map[key]bool)
	for number = 1; ; number++ {
		f, err := os.Open(e.path(name, number))
		if errors.Is(err, fs.ErrNotExist) {
			return known, number, nil
		}
		if err == nil {
			err = errors.Join(readIDs(f, known), f.Close())
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", e.path(name, number), err)
		}
	}
}

func readIDs(f *os.File, known map[key]bool) error {
	packed, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	lines := bufio.NewReader(packed)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) == 0 {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		var row struct{ ID string }
		if err := json.Unmarshal(line, &row); err != nil {
			return err
		}
		known[keyOf(row.ID)] = true
	}
}
