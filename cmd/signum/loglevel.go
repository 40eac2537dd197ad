//go:build !nolab

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
)

// logLevel is what a sandbox says on standard error. Without --log it says only what is
// wrong until the sandbox is ready, and again when it stops, because the lines of its own
// requests would hide the example; in between it says a line a request.
type logLevel struct {
	given bool // by --log
	level slog.Level
	run   context.Context // ends when the sandbox stops
	talk  atomic.Bool     // it is ready
}

func newLogLevel(run context.Context, text string) (*logLevel, error) {
	l := &logLevel{given: text != "", run: run}
	if l.given {
		if err := l.level.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("--log %s: not one of debug, info, warn, error", text)
		}
	}
	return l, nil
}

// Level implements slog.Leveler.
func (l *logLevel) Level() slog.Level {
	switch {
	case l.given:
		return l.level
	case l.talk.Load() && l.run.Err() == nil:
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

func (l *logLevel) logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l}))
}
