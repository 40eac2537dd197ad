package edge

import (
	"context"
	"log/slog"
	"time"

	"github.com/signum-mssp/signum"
)

// logged is what is known of one request: filled on the way, emitted once.
type logged struct {
	start   time.Time
	wire    string
	op      signum.Operation
	apID    string
	apTrans string
	msisdn  string // masked
	transID string
	code    signum.Code
	detail  string
	trace   string // of an internal error
	cause   error  // never leaves the log
}

func (ev *logged) request(r signum.Request) {
	ev.op = r.Operation()
	ap := r.Head().AP
	ev.apID, ev.apTrans = clip(ap.ID), clip(ap.TransID)
	switch r := r.(type) {
	case *signum.SignatureRequest:
		ev.msisdn = signum.MaskMSISDN(clip(r.MSISDN))
	case *signum.StatusRequest:
		ev.transID = clip(r.TransID)
	case *signum.ReceiptRequest:
		ev.transID, ev.msisdn = clip(r.TransID), signum.MaskMSISDN(clip(r.MSISDN))
	case *signum.ProfileRequest:
		ev.msisdn = signum.MaskMSISDN(clip(r.MSISDN))
	}
}

func (ev *logged) response(r signum.Response) {
	switch r := r.(type) {
	case *signum.SignatureResponse:
		ev.code, ev.transID = r.Status, r.TransID
	case *signum.StatusResponse:
		ev.code, ev.msisdn = r.Status, signum.MaskMSISDN(r.MSISDN)
	case *signum.ReceiptResponse:
		ev.code = r.Status
	case *signum.ProfileResponse:
		ev.code = r.Status
	}
}

// fault is what the party is told. Of an error from inside it learns a trace
// id only.
func (ev *logged) fault(err error) *signum.Fault {
	f := signum.AsFault(err)
	if f == nil {
		ev.trace, ev.cause = newTrace(), err
		f = signum.Faultf(signum.InternalError, "%s (trace %s)", signum.InternalError.Detail(), ev.trace)
	}
	ev.code, ev.detail = f.Code, f.Detail
	return f
}

func (ev *logged) emit(ctx context.Context, l *slog.Logger, now time.Time) {
	level := slog.LevelInfo
	if ev.cause != nil {
		level = slog.LevelError
	}
	if !l.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	add := func(k, v string) {
		if v != "" {
			attrs = append(attrs, slog.String(k, v))
		}
	}
	add("wire", ev.wire)
	add("op", string(ev.op))
	add("ap_id", ev.apID)
	add("ap_trans_id", ev.apTrans)
	add("msisdn", ev.msisdn)
	add("trans_id", ev.transID)
	if ev.code != 0 {
		attrs = append(attrs, slog.Int("code", int(ev.code)))
		add("reason", ev.code.String())
	}
	add("detail", ev.detail)
	add("trace", ev.trace)
	if ev.cause != nil {
		attrs = append(attrs, slog.Any("err", ev.cause))
	}
	attrs = append(attrs, slog.Duration("took", now.Sub(ev.start).Round(time.Microsecond)))
	l.LogAttrs(ctx, level, "request", attrs...)
}

// gone is the event of a party that hung up before it could be answered.
func (ev *logged) gone(ctx context.Context, l *slog.Logger, now time.Time) {
	ev.detail = "the party hung up"
	ev.emit(context.WithoutCancel(ctx), l, now)
}

// clip bounds what a request can put into the log.
func clip(s string) string {
	const most = 128
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
