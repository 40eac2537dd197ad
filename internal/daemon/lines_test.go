package daemon

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/signum-mssp/signum/internal/config"
)

// logTo returns a logger that writes lines to w.
func logTo(w io.Writer) (*lines, *slog.Logger) {
	l := newLines(w)
	log := NewLogger(l, config.LogText, slog.LevelInfo)
	report := lostLines(log)
	l.report.Store(&report)
	return l, log
}

// TestLogNobodyReads: a pipe that is full stops nobody, and the log goes on when somebody reads.
func TestLogNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l, log := logTo(w)
	const all = 3 * maxLines
	text := strings.Repeat("x", 100)
	for range all { // more than pipe and queue take
		log.Info(text)
	}
	if l.Lost() == 0 {
		t.Fatal("no line was lost")
	}
	read := bufio.NewScanner(r)
	got, told := uint64(0), false
	for !told && read.Scan() {
		if told = strings.Contains(read.Text(), "lines of the log were lost"); !told {
			got++
		}
	}
	if !told {
		t.Error("the log does not say that lines were lost")
	}
	if got+l.Lost() < all {
		t.Errorf("%d lines read and %d lost, of %d", got, l.Lost(), all)
	}
	go io.Copy(io.Discard, r)
	l.Flush()
	w.Close()
}

// broken fails until it is repaired.
type broken struct {
	mu       sync.Mutex
	repaired bool
	bytes.Buffer
}

func (b *broken) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.repaired {
		return 0, errors.New("no space left on device")
	}
	return b.Buffer.Write(p)
}

// TestLogFails: lines that cannot be written are counted, and later ones are written.
func TestLogFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(broken)
		l, log := logTo(b)
		log.Info("first")
		synctest.Wait()
		if l.Lost() != 1 {
			t.Errorf("%d lines lost", l.Lost())
		}
		b.mu.Lock()
		b.repaired = true
		b.mu.Unlock()
		log.Info("second")
		synctest.Wait()
		l.Flush()
		l.Flush() // again does nothing
		if text := b.String(); !strings.Contains(text, "second") || !strings.Contains(text, "lines of the log were lost") || !strings.Contains(text, "count=1") {
			t.Errorf("%s", text)
		}
	})
}

// TestLogTorn: a line of which only a part was written does not run into the next one.
func TestLogTorn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk bytes.Buffer
		room := 5
		l := newLines(writerFunc(func(p []byte) (int, error) {
			n := min(room, len(p))
			disk.Write(p[:n])
			if room -= n; n < len(p) {
				return n, errors.New("no space left on device")
			}
			return n, nil
		}))
		l.Write([]byte("first line\n"))
		l.Write([]byte("lost\n"))
		synctest.Wait()
		room = 100
		for _, line := range []string{"second\n", "third\n"} {
			l.Write([]byte(line))
		}
		synctest.Wait()
		l.Flush()
		if got, want := disk.String(), "first\nsecond\nthird\n"; got != want || l.Lost() != 2 {
			t.Errorf("%q, %d lost; want %q", got, l.Lost(), want)
		}
	})
}

// TestLogPanics: a panic costs the line, and the later ones are written.
func TestLogPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk bytes.Buffer
		l := newLines(writerFunc(func(p []byte) (int, error) {
			if bytes.HasPrefix(p, []byte("bad")) {
				panic("the writer")
			}
			return disk.Write(p)
		}))
		for _, line := range []string{"first\n", "bad\n", "bad\n", "second\n"} {
			l.Write([]byte(line))
		}
		l.Flush()
		if disk.String() != "first\nsecond\n" || l.Lost() != 2 {
			t.Errorf("%q, %d lost", disk.String(), l.Lost())
		}
	})
}

// TestLogHangs: the end of the process does not wait for a log that takes nothing.
func TestLogHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		l := newLines(writerFunc(func(p []byte) (int, error) { <-free; return len(p), nil }))
		for range maxLines + 10 {
			l.Write([]byte("x\n"))
		}
		l.Flush()
		if l.Lost() == 0 {
			t.Error("no line was lost")
		}
		close(free)
		l.waiting <- nil
		l.ended.Wait()
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
