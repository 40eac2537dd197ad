package daemon

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

const (
	// maxLines is how many lines wait for a log that does not take them: some seconds of a
	// busy node.
	maxLines = 8192
	// flushTime is how long the end of the process waits for the log.
	flushTime = 2 * time.Second
)

// lines writes the lines of a log in a goroutine of its own, so that a log which nobody
// reads, or whose disk is full, stops no request. Lines that find no room are lost; they are
// counted, and the log says how many there were as soon as it works again.
type lines struct {
	w       io.Writer
	waiting chan []byte
	lost    atomic.Uint64
	report  atomic.Pointer[func(lost uint64)] // may be nil
	ended   sync.WaitGroup
	close   sync.Once

	torn     bool // only a part of the last line was written
	panicked bool // the writer did, at the last line
}

func newLines(w io.Writer) *lines {
	l := &lines{w: w, waiting: make(chan []byte, maxLines)}
	l.ended.Go(func() {
		defer event.Rescue(slog.Default(), "log")
		l.write()
	})
	return l
}

// Write implements io.Writer. It never blocks, and never fails.
func (l *lines) Write(line []byte) (int, error) {
	select {
	case l.waiting <- append([]byte(nil), line...):
	default:
		l.lost.Add(1)
	}
	return len(line), nil
}

func (l *lines) write() {
	told := uint64(0)
	for line := range l.waiting {
		if line == nil {
			return
		}
		if err := l.put(line); err != nil {
			l.lost.Add(1)
			continue
		}
		report := l.report.Load()
		if lost := l.lost.Load(); lost > told && report != nil {
			(*report)(lost - told)
			told = lost
		}
	}
}

// put writes a line, and begins a new one if the last was torn.
func (l *lines) put(line []byte) (err error) {
	log := slog.Default()
	if l.panicked { // what is said of it comes back here
		log = slog.New(slog.DiscardHandler)
	}
	l.panicked = true // unless the writer returns
	defer event.RescueTo(&err, log, "log")
	if l.torn {
		if _, err = l.w.Write([]byte{'\n'}); err == nil {
			l.torn = false
		}
	}
	if err == nil {
		var n int
		n, err = l.w.Write(line)
		l.torn = err != nil && n > 0
	}
	l.panicked = false
	return err
}

// Lost is how many lines were lost.
func (l *lines) Lost() uint64 { return l.lost.Load() }

// Flush writes what waits, for at most flushTime. What is logged after it is lost.
func (l *lines) Flush() {
	deadline := time.NewTimer(flushTime)
	defer deadline.Stop()
	l.close.Do(func() {
		select {
		case l.waiting <- nil:
		case <-deadline.C:
			return
		}
		written := make(chan struct{})
		go func() {
			defer event.Rescue(slog.Default(), "log")
			l.ended.Wait()
			close(written)
		}()
		select {
		case <-written:
		case <-deadline.C:
		}
	})
}
