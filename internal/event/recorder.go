package event

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Clock tells the time.
type Clock interface{ Now() time.Time }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now().UTC() }

// Recorder hands events to sinks, and gives internal errors their incident.
type Recorder struct {
	clock    Clock
	log      *slog.Logger
	sinks    []Sink
	errors   *sampler[string] // of incidents
	outcomes *sampler[string] // of nothing
}

// New returns a recorder that logs one line per event and tells the sinks. A nil
// clock is the machine's; a nil logger discards.
func New(clock Clock, log *slog.Logger, sinks ...Sink) *Recorder {
	if clock == nil {
		clock = systemClock{}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Recorder{clock: clock, log: log, sinks: sinks}
	r.errors = newSampler(1, func(s sample[string]) {
		log.Error("request failed again", "key", s.key, "incident", s.first, "count", s.count, "interval", sampleInterval)
	})
	r.outcomes = newSampler(1, func(s sample[string]) {
		log.Info("requests with the same outcome", "key", s.key, "count", s.count, "interval", sampleInterval)
	})
	return r
}

// Close tells the log what repetitions have been counted up to now. Events may
// still come after it.
func (r *Recorder) Close() {
	r.errors.close()
	r.outcomes.close()
}

// Begin starts the event of a call.
func (r *Recorder) Begin(entrance, op, source string) *Event {
	return &Event{Start: r.clock.Now(), Entrance: entrance, Op: op, Source: source}
}

// Fail makes an event that of an internal error and returns the incident. In an
// outage the same error hits one call after another: the first is logged in
// full; those like it within a minute share its incident, are counted, and get
// one line together at the end of the minute.
//
// ctx is that of the call. If it was cancelled and err says so, the caller hung up, or
// the service stops: the service has not failed, and there is no incident.
func (r *Recorder) Fail(ctx context.Context, e *Event, err error) (incident string) {
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		e.Detail = "cut off"
		return ""
	}
	id := incidentOf(err)
	if id == "" {
		id = NewIncident()
	}
	e.Cause = err
	e.Incident, e.Repeated = r.errors.see(e.Entrance+" "+e.Op+": "+shape(err.Error()), id)
	return e.Incident
}

// Sample marks an event of which the log needs only examples, because
// callers can cause as many as they like. Of the events with the same entrance,
// operation and label within a minute, the first is logged; the others are
// counted and get one line together at the end of the minute. Call it when the
// outcome is known, before Emit. The sinks get every event.
func (r *Recorder) Sample(e *Event) {
	_, e.Repeated = r.outcomes.see(e.Entrance+" "+e.Op+" "+e.Label(), "")
}

// Emit completes the event with its duration and hands it to the log and the
// sinks. A context that has ended does not matter.
func (r *Recorder) Emit(ctx context.Context, e *Event) {
	ctx = context.WithoutCancel(ctx)
	e.Took = r.clock.Now().Sub(e.Start).Round(time.Microsecond)
	if !e.Repeated {
		logEvent(ctx, r.log, e)
	}
	for _, s := range r.sinks {
		s.Record(ctx, e)
	}
}

// incidentOf is the incident that an error already has; empty if none.
func incidentOf(err error) string {
	if p, ok := errors.AsType[*Panic](err); ok {
		return p.Incident
	}
	return ""
}
