package event

import (
	"context"
	"log/slog"
	"strings"
)

// Sampled is a slog.Handler that keeps an outage from flooding the log. Of the
// records at or above a level it passes the first of each kind and counts those
// like it for a minute; then one record tells their number, as attribute
// "repeated".
//
// Records are of one kind if level, message and attributes are the same but for
// words with digits in them (numbers, ids, addresses, times). A record with an
// incident always passes: whoever was told the incident must find it in the log.
type Sampled struct {
	next  slog.Handler
	from  slog.Level
	extra string // shape of the attributes and groups that WithAttrs and WithGroup added
	told  bool   // an incident is among them
	*samples
}

// samples are what all handlers that come from one Sampled share.
type samples struct {
	*sampler[heldRecord]
	suppressed func(lines int)
}

// heldRecord is the first of its kind, to be told again with a count.
type heldRecord struct {
	slog.Record
	to slog.Handler
}

// NewSampled returns a Sampled in front of next. suppressed is told of each record
// that does not pass; it may be nil and must not block.
func NewSampled(next slog.Handler, from slog.Level, suppressed func(lines int)) *Sampled {
	report := func(s sample[heldRecord]) {
		r := s.first.Clone()
		r.Time = r.Time.Add(sampleInterval)
		r.AddAttrs(slog.Int("repeated", s.count), slog.Duration("interval", sampleInterval))
		_ = s.first.to.Handle(context.Background(), r)
	}
	if suppressed == nil {
		suppressed = func(int) {}
	}
	return &Sampled{next: next, from: from, samples: &samples{newSampler(report), suppressed}}
}

// Close tells what has been counted up to now. Records may still come after it.
func (s *Sampled) Close() { s.close() }

// Enabled implements slog.Handler.
func (s *Sampled) Enabled(ctx context.Context, l slog.Level) bool { return s.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (s *Sampled) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < s.from {
		return s.next.Handle(ctx, r)
	}
	key, incident := s.kind(r)
	if !incident {
		if _, repeated := s.see(key, heldRecord{r.Clone(), s.next}); repeated {
			s.suppressed(1)
			return nil
		}
	}
	return s.next.Handle(ctx, r)
}

// kind is the key of a record, and whether it belongs to an incident.
func (s *Sampled) kind(r slog.Record) (key string, incident bool) {
	incident = s.told
	var b strings.Builder
	b.WriteString(r.Level.String() + " " + shape(r.Message) + s.extra)
	r.Attrs(func(a slog.Attr) bool {
		incident = incident || a.Key == "incident"
		b.WriteString(attrShape(a))
		return true
	})
	return b.String(), incident
}

func attrShape(a slog.Attr) string { return "\x00" + a.Key + "=" + shape(a.Value.Resolve().String()) }

// WithAttrs implements slog.Handler.
func (s *Sampled) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *s
	c.next = s.next.WithAttrs(attrs)
	for _, a := range attrs {
		c.told = c.told || a.Key == "incident"
		c.extra += attrShape(a)
	}
	return &c
}

// WithGroup implements slog.Handler.
func (s *Sampled) WithGroup(name string) slog.Handler {
	c := *s
	c.next = s.next.WithGroup(name)
	c.extra += "\x00" + name + "."
	return &c
}
