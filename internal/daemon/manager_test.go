package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestWatch: the watchdog is fed while the engine comes round, and not while it hangs. A service manager
// that cannot be told is no reason to end.
func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		last func(begun, now time.Time) time.Time
		fed  int // in 30 s, with a patience of 9 s
	}{
		{"it comes round", func(_, now time.Time) time.Time { return now }, 11},
		{"it hangs after 10 s", func(begun, now time.Time) time.Time {
			return begun.Add(min(now.Sub(begun), 10*time.Second))
		}, 7},
		{"it never came round", func(time.Time, time.Time) time.Time { return time.Time{} }, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("WATCHDOG_USEC", "9000000")
			t.Setenv("WATCHDOG_PID", "")
			synctest.Test(t, func(t *testing.T) {
				fed := 0
				m := &Manager{log: slog.New(slog.DiscardHandler), send: func(state string) (bool, error) {
					if state == "WATCHDOG=1" {
						fed++
					}
					return false, errors.New("nobody listens")
				}}
				begun := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second+time.Millisecond)
				defer cancel()
				m.Watch(ctx, func() time.Time { return tt.last(begun, time.Now()) })
				if fed != tt.fed {
					t.Errorf("fed %d times, want %d", fed, tt.fed)
				}
			})
		})
	}
}

// TestDeafManager: a service manager that takes no messages holds up nobody, and hears the next
// one once it takes them.
func TestDeafManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testkit.Buffer
		listens := make(chan struct{})
		var heard []string
		m := &Manager{log: slog.New(slog.NewTextHandler(&log, nil)), send: func(state string) (bool, error) {
			<-listens
			heard = append(heard, state)
			return true, nil
		}}
		m.Status("one")
		m.Status("two")
		if n := strings.Count(log.String(), "cannot be told"); n != 2 {
			t.Errorf("%d lines about it:\n%s", n, log.String())
		}
		close(listens)
		synctest.Wait()
		m.Status("three")
		if got := strings.Join(heard, " "); got != "STATUS=one STATUS=three" {
			t.Errorf("it heard %s", got)
		}
	})
}

// TestExtend: a start that may upgrade the database asks for more time before its time is over.
func TestExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Time // when the service manager gives up
		asked := 0
		s := &server{manager: &Manager{log: slog.New(slog.DiscardHandler), send: func(state string) (bool, error) {
			var more int64
			if _, err := fmt.Sscanf(state, "EXTEND_TIMEOUT_USEC=%d\n", &more); err != nil {
				t.Errorf("%q: %v", state, err)
			}
			if asked++; asked > 1 && time.Now().After(left) {
				t.Error("the service manager has given up before")
			}
			left = time.Now().Add(time.Duration(more) * time.Microsecond)
			return true, nil
		}}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		s.extend(ctx)
		if time.Now().After(left) {
			t.Errorf("the service manager gave up after %d extensions", asked)
		}
	})
}

// TestWatchdogOfProcess: a server answers the watchdog that its environment names.
func TestWatchdogOfProcess(t *testing.T) {
	t.Parallel()
	p := start(t, writeConfig(t, ""), "", []string{"WATCHDOG_USEC=60000000"})
	p.hear(t, "WATCHDOG=1")
	p.signal(t, syscall.SIGTERM)
	if code := p.code(); code != ExitStopped {
		t.Errorf("exit %d\n%s", code, p.stderr)
	}
}

// TestLogger: lines to the journal have its priorities and no time of their own; a file that
// standard error was redirected to is not the journal.
func TestLogger(t *testing.T) {
	journal, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	info, err := journal.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	var level slog.LevelVar
	for _, format := range []string{config.LogText, config.LogJSON} {
		log := NewLogger(journal, format, &level)
		log.Info("a", "n", 1)
		log.Debug("hidden")
		log.With("of", "b").Warn("b")
		log.WithGroup("g").Error("c", "time", "mine")
	}
	got, err := os.ReadFile(journal.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := `<6>level=INFO msg=a n=1
<4>level=WARN msg=b of=b
<3>level=ERROR msg=c g.time=mine
<6>{"level":"INFO","msg":"a","n":1}
<4>{"level":"WARN","msg":"b","of":"b"}
<3>{"level":"ERROR","msg":"c","g":{"time":"mine"}}
`
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	other := new(testkit.Buffer)
	NewLogger(other, config.LogText, &level).Info("a")
	if !strings.HasPrefix(other.String(), "time=") {
		t.Errorf("elsewhere: %s", other)
	}
}

// TestStoreName: no password of a database is in the log.
func TestStoreName(t *testing.T) {
	for url, want := range map[string]string{
		"sqlite:/var/lib/signum/signum.db":                               "sqlite:/var/lib/signum/signum.db",
		"postgres://signum:hidden@db:5432/signum?sslmode=x&password=h":   "postgres://signum@db:5432/signum",
		"postgres://signum:hidden@a:5432,b:5432/signum":                  "postgres://signum@a:5432,b:5432/signum",
		"postgresql://signum:hid%zz@db/signum":                           "postgresql",
		"postgres:///signum?host=/run/postgresql&user=u&password=hidden": "postgres:///signum",
	} {
		if got := storeName(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
