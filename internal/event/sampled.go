package event

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Sampled is a slog.Handler that keeps an outage from flooding the log. Of the
// records at or above a level it passes the first few of each kind in a minute and
// counts the others; at the end of the minute one record, like the first, tells
// their number as attribute "repeated".
//
// Records are of one kind if level, message and attributes are the same but for
// words with digits in them (numbers, ids, addresses, times) and the ids of parties and
// of their transactions. Some records always
// pass, by their attributes: "incident", because its number was told to a caller;
// "serial" (of a certificate) and "key" (of a row), because the record is written
// once for each and somebody has to act on it.
type Sampled struct {
	next  slog.Handler
	from  slog.Level
	extra string // shape of the attributes and groups that WithAttrs and WithGroup added
	must  bool   // one of always is among them
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

// NewSampled returns a Sampled in front of next, which passes so many records of a
// kind in a minute, at least 1. suppressed is told of each record that does not
// pass; it may be nil and must not block.
func NewSampled(next slog.Handler, from slog.Level, few int, suppressed func(lines int)) *Sampled {
	if suppressed == nil {
		suppressed = func(int) {}
	}
	report := func(s sample[heldRecord]) {
		r := s.first.Clone()
		r.Time = time.Now()
		r.AddAttrs(slog.Int("repeated", s.count), slog.Duration("interval", r.Time.Sub(s.first.Time).Round(time.Second)))
		_ = s.first.to.Handle(context.Background(), r)
	}
	return &Sampled{next: next, from: from, samples: &samples{newSampler(few, report), suppressed}}
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
	key, must := s.kind(r)
	if !must {
		if _, tooMany := s.see(key, heldRecord{r.Clone(), s.next}); tooMany {
			s.suppressed(1)
			return nil
		}
	}
	return s.next.Handle(ctx, r)
}

// always are the keys of attributes whose records always pass.
var always = []string{"incident", "serial", "key"}

// chosen are the keys of attributes whose values callers choose. Records that differ
// in these alone are of one kind, so that nobody can make up kinds to fill the log.
var chosen = []string{"ap_id", "ap_trans_id"}

// kind is the key of a record, and whether it must pass.
func (s *Sampled) kind(r slog.Record) (key string, must bool) {
	must = s.must
	var b strings.Builder
	b.WriteString(r.Level.String() + " " + shape(r.Message) + s.extra)
	r.Attrs(func(a slog.Attr) bool {
		must = must || slices.Contains(always, a.Key)
		if !slices.Contains(chosen, a.Key) {
			b.WriteString(attrShape(a))
		}
		return true
	})
	return b.String(), must
}

func attrShape(a slog.Attr) string { return "\x00" + a.Key + "=" + shape(a.Value.Resolve().String()) }

// WithAttrs implements slog.Handler.
func (s *Sampled) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *s
	c.next = s.next.WithAttrs(attrs)
	for _, a := range attrs {
		c.must = c.must || slices.Contains(always, a.Key)
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
