//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
)

// diskLog is a log as QEMU writes it.
type diskLog []byte

func newDiskLog() diskLog {
	head := make([]byte, sectorSize)
	binary.LittleEndian.PutUint64(head, logMagic)
	binary.LittleEndian.PutUint64(head[8:], 1)
	binary.LittleEndian.PutUint32(head[24:], sectorSize)
	return head
}

func (l *diskLog) add(sector, flags uint64, data string) {
	head := make([]byte, sectorSize)
	binary.LittleEndian.PutUint64(head, sector)
	binary.LittleEndian.PutUint64(head[8:], uint64(len(data)))
	binary.LittleEndian.PutUint64(head[16:], flags)
	*l = append(*l, head...)
	for _, c := range []byte(data) { // a sector each
		*l = append(*l, bytes.Repeat([]byte{c}, sectorSize)...)
	}
}

// disk is a disk whose sectors are filled with one letter each.
type disk []byte

func (d disk) WriteAt(p []byte, at int64) (int, error) { return copy(d[at:], p), nil }

func (d disk) String() string {
	var s strings.Builder
	for i := 0; i < len(d); i += sectorSize {
		s.WriteByte(d[i])
	}
	return s.String()
}

// TestCutPower: what was flushed is on the disk, and what was not may be.
func TestCutPower(t *testing.T) {
	t.Parallel()
	log := newDiskLog()
	log.add(0, 0, "aaaa")
	log.add(1, 0, "bb")
	log = append(log, make([]byte, 3*sectorSize)...) // of a write that is not complete
	log.add(0, entryFlush, "")
	log.add(2, 0, "c")
	log.add(3, 0, "d")
	log = append(log, 0, 0, 9) // torn
	seen := make(map[string]bool)
	lied := false
	for seed := range uint64(64) {
		d := disk(bytes.Repeat([]byte{'-'}, 4*sectorSize))
		applied, lost, err := cutPower(d, bytes.NewReader(log), false, rand.New(rand.NewPCG(seed, 0)))
		if err != nil || applied+lost != 4 {
			t.Fatalf("%d applied, %d lost, %v", applied, lost, err)
		}
		seen[d.String()] = true
		d = disk(bytes.Repeat([]byte{'-'}, 4*sectorSize))
		if _, _, err := cutPower(d, bytes.NewReader(log), true, rand.New(rand.NewPCG(seed, 0))); err != nil {
			t.Fatal(err)
		}
		lied = lied || strings.Contains(d.String(), "-") || d.String()[1] == 'a'
	}
	for _, want := range []string{"abba", "abca", "abbd", "abcd"} {
		if !seen[want] {
			t.Errorf("never %s", want)
		}
		delete(seen, want)
	}
	for s := range seen {
		t.Errorf("a disk with %s", s)
	}
	if !lied {
		t.Error("a disk that lies loses nothing")
	}
}

// TestReadLog refuses what is not a log, because it would cut at the wrong place.
func TestReadLog(t *testing.T) {
	t.Parallel()
	unknown := newDiskLog()
	unknown.add(0, 64, "a")
	for name, log := range map[string][]byte{"torn head": make([]byte, 9), "no log": make([]byte, 2*sectorSize), "unknown entry": unknown} {
		if _, err := readLog(bytes.NewReader(log)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzReadLog(f *testing.F) {
	log := newDiskLog()
	log.add(1, entryFlush, "ab")
	f.Add([]byte(log))
	f.Fuzz(func(t *testing.T, log []byte) {
		all, err := readLog(bytes.NewReader(log))
		if err != nil {
			return
		}
		for _, w := range all {
			if w.at > int64(len(log)) {
				t.Errorf("an entry at %d of %d", w.at, len(log))
			}
		}
	})
}
