//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// QEMU (driver blklogwrites) writes down each write to a disk before the guest is told
// that it is done, in the format of Linux's dm-log-writes: sectors of 512 bytes, the first
// of which describes the log. Each entry is a sector with what follows, and the data.
const (
	sectorSize = 512
	logMagic   = 0x6a736677736872

	entryFlush   = 1
	entryDiscard = 4
)

// diskWrite is one entry of the log.
type diskWrite struct {
	sector, sectors, flags uint64
	at                     int64 // of the data, in the log
}

// cutPower brings a disk into a state in which it may be after a power cut: everything
// that the guest had flushed is there, and of what was still in the volatile cache of the
// disk about half, whatever the order in which it was written. A disk that lies also loses
// what the guest had flushed lately. It returns how many writes it applied and how many it
// lost.
func cutPower(disk io.WriterAt, log io.ReaderAt, lies bool, rnd *rand.Rand) (applied, lost int, err error) {
	writes, err := readLog(log)
	if err != nil {
		return 0, 0, err
	}
	flushed := 0
	for i, w := range writes {
		if w.flags&entryFlush != 0 && !(lies && i >= len(writes)/2) {
			flushed = i
		}
	}
	var data []byte
	for i, w := range writes {
		switch {
		case w.sectors == 0 || w.flags&entryDiscard != 0:
			continue
		case i > flushed && rnd.IntN(2) == 0:
			lost++
			continue
		}
		data = append(data[:0], make([]byte, w.sectors*sectorSize)...)
		if _, err := log.ReadAt(data, w.at); err != nil && !errors.Is(err, io.EOF) {
			return applied, lost, err
		}
		if _, err := disk.WriteAt(data, int64(w.sector*sectorSize)); err != nil {
			return applied, lost, err
		}
		applied++
	}
	return applied, lost, nil
}

// readLog returns the entries of a log, whose end may be torn. Between them there can be
// gaps of zeros, of writes that the guest was not told of.
func readLog(log io.ReaderAt) (all []diskWrite, err error) {
	header := make([]byte, sectorSize)
	if n, err := log.ReadAt(header, 0); n == 0 && errors.Is(err, io.EOF) {
		return nil, nil // the power was cut before the machine wrote anything
	} else if err != nil {
		return nil, fmt.Errorf("the log of the disk: %w", err)
	}
	if binary.LittleEndian.Uint64(header) != logMagic || binary.LittleEndian.Uint32(header[24:]) != sectorSize {
		return nil, fmt.Errorf("the log of the disk starts with % x", header[:28])
	}
	zero := make([]byte, sectorSize)
	for at := int64(sectorSize); ; at += sectorSize {
		_, err := log.ReadAt(header, at)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if bytes.Equal(header, zero) {
			continue
		}
		w := diskWrite{
			sector: binary.LittleEndian.Uint64(header), sectors: binary.LittleEndian.Uint64(header[8:]),
			flags: binary.LittleEndian.Uint64(header[16:]), at: at + sectorSize,
		}
		if w.sectors > 1<<16 || w.flags > 15 {
			return nil, fmt.Errorf("the log of the disk has an unknown entry at %d: % x", at, header[:32])
		}
		all = append(all, w)
		if w.flags&entryDiscard == 0 {
			at += int64(w.sectors * sectorSize)
		}
	}
}

// cutPowerOf is cutPower with files.
func cutPowerOf(disk, log string, lies bool, rnd *rand.Rand) (applied, lost int, err error) {
	d, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		return 0, 0, err
	}
	defer d.Close()
	l, err := os.Open(log)
	if err != nil {
		return 0, 0, err
	}
	defer l.Close()
	return cutPower(d, l, lies, rnd)
}
