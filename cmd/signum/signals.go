package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// withSignals returns a context that the first SIGINT or SIGTERM ends. A second one ends the
// process at once. The function lets signals have their usual effect again.
func withSignals(parent context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(parent)
	// Both signals go through one channel: if the first one restored the usual effect, a
	// second one that came before that would be lost.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	released := make(chan struct{})
	go func() {
		defer event.Rescue(slog.Default(), "signals")
		for n := 0; ; n++ {
			select {
			case s := <-signals:
				if n > 0 {
					die(s)
				}
				cancel(errInterrupted)
			case <-released:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(released)
		cancel(nil)
	}
}

// die ends the process by a signal, so that its parent learns the reason.
func die(s os.Signal) {
	signal.Reset(s)
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(s) == nil {
		time.Sleep(time.Second) // the signal is on its way
	}
	os.Exit(exitKilled)
}

// exitKilled is for systems on which a process cannot send itself a signal.
const exitKilled = 143
