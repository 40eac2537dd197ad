package edge

import (
	"context"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// noteRequest completes the event with what the request says.
func noteRequest(ev *event.Event, r signum.Request) {
	ev.Op = string(r.Operation())
	ap := r.Head().AP
	ev.APID, ev.APTransID = event.Clip(ap.ID), event.Clip(ap.TransID)
	switch r := r.(type) {
	case *signum.SignatureRequest:
		ev.MSISDN = event.Clip(r.MSISDN)
	case *signum.StatusRequest:
		ev.TransID = event.Clip(r.TransID)
	case *signum.ReceiptRequest:
		ev.TransID, ev.MSISDN = event.Clip(r.TransID), event.Clip(r.MSISDN)
	case *signum.ProfileRequest:
		ev.MSISDN = event.Clip(r.MSISDN)
	}
}

// noteResponse completes the event with what the answer says.
func noteResponse(ev *event.Event, r signum.Response) {
	switch r := r.(type) {
	case *signum.SignatureResponse:
		ev.Code, ev.TransID = r.Status, r.TransID
	case *signum.StatusResponse:
		ev.Code, ev.MSISDN = r.Status, r.MSISDN
	case *signum.ReceiptResponse:
		ev.Code = r.Status
	case *signum.ProfileResponse:
		ev.Code = r.Status
	}
}

// fault returns what the party is told. Of an internal error that is only the
// incident, which the interface calls a trace.
func (h *handler) fault(x *exchange) *signum.Fault {
	f := signum.AsFault(x.err)
	if f == nil {
		f = internalError(h.Events.Fail(context.Background(), x.Event, x.err))
	}
	x.Code, x.Detail, x.Note = f.Code, f.Detail, mssp.NoteOf(x.err)
	return f
}

func internalError(incident string) *signum.Fault {
	return signum.Faultf(signum.InternalError, "%s (trace %s)", signum.InternalError.Detail(), incident)
}
