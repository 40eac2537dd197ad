package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// part is a component while the node runs. Its run serves until the context
// ends, and returns when everything it started has ended.
type part struct {
	name string
	run  func(context.Context) error
}

// stages are the parts in the order in which they start. Those of one stage
// start and stop together; a later stage has stopped before an earlier one does.
func (n *Node) stages() [][]part {
	base := []part{{"engine", n.engine.Run}, {"admission", n.gate.Run}, {"retention", n.retention.Run}, {"TLS certificates", n.watchCertificates}, {"store watch", n.watchStore}}
	if n.peers != nil {
		base = append(base, part{"cluster", n.runCluster})
	}
	if n.doors.ops != nil {
		base = append(base, part{"ops listener", n.doors.ops.Run}) // it tells that the others stop
	}
	if n.doors.admin != nil {
		base = append(base, part{"admin socket", n.doors.admin.Run})
	}
	if n.smscs != nil {
		base = append(base, part{"SMSC clients", n.smscs.Run})
	}
	return [][]part{
		base,
		{{"SIMs", func(ctx context.Context) error {
			<-ctx.Done()
			n.SIMs.Close()
			return nil
		}}},
		{
			// Apps are cut off first and come back later, maybe to another node.
			{"Apps", func(ctx context.Context) error {
				n.Apps.Run(ctx)
				n.Apps.Close()
				return nil
			}},
			{"MSS listener", n.doors.mss.Run},
			{"web listener", n.doors.web.Run},
			{"PKI listener", n.doors.pki.Run},
		},
	}
}

// Run serves until ctx ends or a part fails. When ctx ends, the node drains first: see
// drain. Then it stops the parts in order: no new requests, those that wait are told;
// then SIMs; then SMPP sessions and engine. It can be called once.
func (n *Node) Run(ctx context.Context) error {
	stages := n.stages()
	ended := make(chan error, 1)
	begun := make([]*stage, len(stages))
	for i, parts := range stages {
		begun[i] = start(context.WithoutCancel(ctx), n.deps.Logger, parts, ended)
	}
	n.health.set(running)
	var errs []error
	select {
	case <-ctx.Done():
		errs = append(errs, n.drain(ended))
	case err := <-ended:
		errs = append(errs, err)
	}
	n.health.set(stopping)
	for _, s := range slices.Backward(begun) {
		errs = append(errs, s.stop())
	}
	select {
	case err := <-ended: // another part failed while these were stopping
		errs = append(errs, err)
	default:
	}
	return errors.Join(errs...)
}

// stage is a set of parts that run.
type stage struct {
	cancel context.CancelFunc
	parts  []part
	done   []chan error // by part
}

// start runs the parts. If one ends before it is told to, its error goes to early,
// unless another error is already there.
func start(ctx context.Context, log *slog.Logger, parts []part, early chan<- error) *stage {
	ctx, cancel := context.WithCancel(ctx)
	s := &stage{cancel: cancel, parts: parts, done: make([]chan error, len(parts))}
	for i, p := range parts {
		s.done[i] = make(chan error, 1)
		go func() {
			defer event.Rescue(log, p.name)
			err := p.once(ctx, log)
			if ctx.Err() == nil {
				select {
				case early <- fmt.Errorf("%s: %w", p.name, cmp.Or(err, errEnded)):
					err = nil // reported
				default:
				}
			}
			s.done[i] <- err
		}()
	}
	return s
}

// stopTime is how long the parts of a stage may take to end. A listener takes 5 s at
// most, because of its clients; a store that hangs would take longer.
const stopTime = 15 * time.Second

// stop ends the parts and waits for them, as long as stopTime.
func (s *stage) stop() error {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	var errs []error
	for i, done := range s.done {
		if err := awaited(ctx, done); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.parts[i].name, err))
		}
	}
	return errors.Join(errs...)
}

// awaited waits for an error, as long as stopTime, which ctx limits.
func awaited(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done: // both were ready
		return err
	default:
		return fmt.Errorf("did not end within %s", stopTime)
	}
}

// within runs f, and waits for it as long as stopTime.
func within(log *slog.Logger, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer event.Rescue(log, what)
		done <- part{what, func(context.Context) error { return f() }}.once(ctx, log)
	}()
	return awaited(ctx, done)
}

// once runs the part; a panic becomes an error.
func (p part) once(ctx context.Context, log *slog.Logger) (err error) {
	defer event.RescueTo(&err, log, p.name)
	return p.run(ctx)
}

var errEnded = errors.New("ended by itself")
