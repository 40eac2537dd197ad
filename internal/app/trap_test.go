package app

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// trap makes certain calls of the fakes do something else first, usually panic.
type trap struct {
	mu          sync.Mutex
	call, below string
	left        int
	act         func()
}

// set makes the next call with that name panic. If below is not empty, only calls
// that the function with that name makes count, directly or not.
func (t *trap) set(call, below string) { t.arm(1, call, below, nil) }

// arm is set for the next n calls. They do act instead of panicking.
func (t *trap) arm(n int, call, below string, act func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.call, t.below, t.left, t.act = call, below, n, act
}

// sprung reports whether all these calls have happened.
func (t *trap) sprung() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left == 0
}

// pass is called by every fake before it locks anything.
func (t *trap) pass(call string) {
	t.mu.Lock()
	hit := t.left > 0 && t.call == call && (t.below == "" || calledBelow(t.below))
	if hit {
		t.left--
	}
	act := t.act
	t.mu.Unlock()
	if hit && act != nil {
		act()
	} else if hit {
		panic("trap in " + call)
	}
}

func calledBelow(function string) bool {
	pc := make([]uintptr, 64)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "."+function) {
			return true
		}
		if !more {
			return false
		}
	}
}

// caller is the name of the function that called the caller of caller.
func caller() string {
	pc, _, _, _ := runtime.Caller(2)
	name := runtime.FuncForPC(pc).Name()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// trapClock calls the trap with "Now".
type trapClock struct {
	mssp.Clock
	trap *trap
}

func (c trapClock) Now() time.Time {
	c.trap.pass("Now")
	return c.Clock.Now()
}

// trapLog calls the trap with the message of each line.
type trapLog struct {
	slog.Handler
	trap *trap
}

func (h trapLog) Handle(ctx context.Context, r slog.Record) error {
	h.trap.pass(r.Message)
	return h.Handler.Handle(ctx, r)
}
