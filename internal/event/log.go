package event

import (
	"context"
	"log/slog"

	"github.com/signum-mssp/signum"
)

// logEvent writes the one line of an event: at level error if the service failed, as
// a warning if a party was refused, and at info otherwise, whatever the caller was
// told. The MSISDN is masked.
func logEvent(ctx context.Context, l *slog.Logger, e *Event) {
	level := slog.LevelInfo
	switch {
	case e.Cause != nil:
		level = slog.LevelError
	case e.Code == signum.UnauthorizedAccess: // an attack, or a party whose certificate the operator must change
		level = slog.LevelWarn
	}
	if !l.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	add := func(k, v string) {
		if v != "" {
			attrs = append(attrs, slog.String(k, v))
		}
	}
	add("entrance", e.Entrance)
	add("op", e.Op)
	add("source", e.Source)
	add("ap_id", e.APID)
	add("ap_trans_id", e.APTransID)
	add("pin", e.Pin)
	add("device", e.Device)
	if e.MSISDN != "" {
		add("msisdn", signum.MaskMSISDN(e.MSISDN))
	}
	add("trans_id", e.TransID)
	add("note", e.Note)
	if e.Status != 0 {
		attrs = append(attrs, slog.Int("status", e.Status))
	}
	if e.Close != 0 {
		attrs = append(attrs, slog.Int("close", e.Close))
	}
	if e.Code != 0 {
		attrs = append(attrs, slog.Int("code", int(e.Code)))
	}
	add("reason", e.Reason)
	add("detail", e.Detail)
	add("incident", e.Incident)
	if e.Cause != nil {
		attrs = append(attrs, slog.Any("err", e.Cause))
	}
	attrs = append(attrs, slog.Duration("took", e.Took))
	l.LogAttrs(ctx, level, "request", attrs...)
}
