package event

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// NewIncident returns the id of one internal error: 12 characters that appear
// in the answer and in the log, so that the caller can ask for the cause.
func NewIncident() string { return rand.Text()[:12] }

// Panic is the error that a recovered panic becomes. The stack is in the log
// only, under the same incident.
type Panic struct {
	Where    string // what was running, such as "sim worker"
	Value    any    // what panic was called with
	Incident string
}

func (p *Panic) Error() string { return fmt.Sprintf("panic in %s: %v", p.Where, p.Value) }

// Unwrap gives the error that panic was called with, if it was one.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Rescue keeps a panic inside the goroutine that it happens in: one broken
// message must not end the process and everybody else's requests with it. It
// logs the panic with its stack, then calls the functions in then, which undo
// what the goroutine leaves behind: close a connection, answer a waiting call.
//
// It must be deferred itself, as the first statement of the goroutine, so that
// it runs after everything else that the goroutine defers:
//
//	go func() {
//		defer event.Rescue(log, "sim worker")
//		…
//	}()
func Rescue(log *slog.Logger, where string, then ...func()) {
	if v := recover(); v != nil {
		report(log, where, v)
		for _, f := range then {
			f()
		}
	}
}

// RescueTo is Rescue for a function that returns an error: the panic becomes a
// *Panic in *err.
//
//	func (c *call) run() (err error) {
//		defer event.RescueTo(&err, log, "App call")
//		…
//	}
func RescueTo(err *error, log *slog.Logger, where string) {
	if v := recover(); v != nil {
		*err = report(log, where, v)
	}
}

// report logs a panic. It is called while the stack of the panic still stands.
func report(log *slog.Logger, where string, v any) *Panic {
	p := &Panic{Where: where, Value: v, Incident: NewIncident()}
	panics.count(where)
	log.Error("panic", "where", where, "incident", p.Incident, "err", p, "stack", string(debug.Stack()))
	return p
}
