package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// DefaultMaxBody is that of Options.
const DefaultMaxBody = 64 << 10

// Options holds what the wires of a server share.
type Options struct {
	Service Service
	URL     string // the base under which parties reach the service; empty: the address of each connection
	Clock   mssp.Clock
	Logger  *slog.Logger
	Events  *event.Recorder // records the one event of each request; nil: one that writes to Logger
	MaxBody int64           // bytes; DefaultMaxBody
}

// Register adds the endpoints of the wires to the mux.
func Register(mux *http.ServeMux, o Options, wires ...Wire) {
	if o.Clock == nil {
		o.Clock = mssp.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Events == nil {
		o.Events = event.New(o.Clock, o.Logger)
	}
	for _, w := range wires {
		for _, ep := range w.Endpoints() {
			mux.Handle("POST "+ep.Path, &handler{Options: o, wire: w, op: ep.Op})
		}
		for _, d := range w.Documents() {
			mux.Handle("GET "+d.Path, document(d, o.URL))
		}
	}
}

type handler struct {
	Options
	wire Wire
	op   signum.Operation
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// exchange is one call on its way through the handler.
type exchange struct {
	*event.Event
	caller mssp.Caller
	form   Form
	req    signum.Request
	resp   signum.Response // meaningless if there is an error
	err    error
}

// ServeHTTP serves every call. Tens of thousands of calls block in it while they
// wait for a user, so their stacks must stay small: it does not hold the body, and
// the parts before and after are not inlined. A garbage collection halves a stack
// that is less than a quarter full.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer event.RescueHTTP(h.Logger, "edge", w, h.broken)
	x := h.open(w, r)
	if x.err == nil {
		h.call(r.Context(), x)
	}
	h.answer(w, r, x)
}

// open reads the request and identifies the caller.
//
//go:noinline
func (h *handler) open(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{Event: h.Events.Begin(h.wire.Name(), string(h.op), clientaddr.Source(r))}
	if x.req, x.form, x.err = h.read(w, r); x.err != nil {
		return x
	}
	noteRequest(x.Event, x.req)
	x.caller = CallerOf(r.TLS, x.Start)
	x.caller.Addr = clientaddr.Of(r)
	return x
}

// call asks the service.
func (h *handler) call(ctx context.Context, x *exchange) {
	defer event.RescueTo(&x.err, h.Logger, "service")
	switch req := x.req.(type) {
	case *signum.SignatureRequest:
		x.resp, x.err = h.Service.Sign(ctx, &x.caller, req)
	case *signum.StatusRequest:
		x.resp, x.err = h.Service.Status(ctx, &x.caller, req)
	case *signum.ReceiptRequest:
		x.resp, x.err = h.Service.Receipt(ctx, &x.caller, req)
	case *signum.ProfileRequest:
		x.resp, x.err = h.Service.Profile(ctx, &x.caller, req)
	default:
		x.err = fmt.Errorf("no service for %T", req)
	}
}

//go:noinline
func (h *handler) answer(w http.ResponseWriter, r *http.Request, x *exchange) {
	if x.err != nil && signum.AsFault(x.err) == nil && r.Context().Err() != nil {
		x.Detail = "the party hung up"
		h.Events.Emit(r.Context(), x.Event)
		// Cut the connection, so that nobody takes an empty answer for a good one.
		panic(http.ErrAbortHandler)
	}
	status := http.StatusOK
	out := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(out)
	out.Reset()
	var body []byte
	if x.err == nil {
		body, x.err = h.encode(out.AvailableBuffer(), x)
	}
	if x.err != nil {
		status = http.StatusInternalServerError
		flt := h.fault(x)
		if flt.RetryAfter > 0 {
			w.Header().Set("Retry-After", retryAfter(flt.RetryAfter))
		}
		body = h.wire.AppendFault(out.AvailableBuffer(), x.form, flt)
	}
	if err := h.send(w, status, body); err != nil && x.Detail == "" {
		x.Detail = "the party hung up while it was answered"
	}
	if x.Code == signum.UnauthorizedAccess {
		x.Pin = pinOf(r.TLS)
	} else if x.Fault() && x.Cause == nil && (r.TLS == nil || len(r.TLS.PeerCertificates) == 0) {
		h.Events.Sample(x.Event) // a stranger can cause any number of these
	}
	h.Events.Emit(r.Context(), x.Event)
	out.Write(body) // keeps a grown buffer for the next answer
}

// encode writes the answer. A panic becomes its error.
func (h *handler) encode(dst []byte, x *exchange) (body []byte, err error) {
	defer event.RescueTo(&err, h.Logger, "encoder")
	noteResponse(x.Event, x.resp)
	return h.wire.AppendResponse(dst, x.form, x.resp), nil
}

// broken answers a call that panicked outside of the decoder, the service and the
// encoder.
func (h *handler) broken(w http.ResponseWriter, p *event.Panic) {
	_ = h.send(w, http.StatusInternalServerError, h.wire.AppendFault(nil, 0, internalError(p.Incident)))
}

func (h *handler) send(w http.ResponseWriter, status int, body []byte) error {
	head := w.Header()
	head.Set("Content-Type", h.wire.ContentType())
	head.Set("Content-Length", strconv.Itoa(len(body)))
	head.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// read reads and decodes the body within the limits.
func (h *handler) read(w http.ResponseWriter, r *http.Request) (signum.Request, Form, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		// Parameters may be malformed; only the type itself counts.
		media, _, _ = strings.Cut(r.Header.Get("Content-Type"), ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	if !h.wire.Accepts(media) {
		return nil, 0, signum.Faultf(signum.WrongParam, "This endpoint does not accept %s", named("Content-Type", media))
	}
	if r.ContentLength > h.MaxBody {
		w.Header().Set("Connection", "close")
		return nil, 0, h.tooLarge()
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	if err := h.readBody(buf, w, r); err != nil {
		return nil, 0, err
	}
	return h.decode(buf.Bytes())
}

func (h *handler) decode(body []byte) (req signum.Request, form Form, err error) {
	defer event.RescueTo(&err, h.Logger, "decoder")
	return h.wire.Decode(h.op, body)
}

func (h *handler) readBody(buf *bytes.Buffer, w http.ResponseWriter, r *http.Request) error {
	compressed, err := gzipped(r.Header)
	if err != nil {
		return err
	}
	var src io.Reader = http.MaxBytesReader(w, r.Body, h.MaxBody)
	if compressed {
		z, err := gzip.NewReader(src)
		if err != nil {
			return signum.Faultf(signum.WrongParam, "Body is not gzip")
		}
		src = z
	}
	n, err := buf.ReadFrom(io.LimitReader(src, h.MaxBody+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || n > h.MaxBody:
		return h.tooLarge()
	case err != nil:
		return signum.Faultf(signum.WrongParam, "Body could not be read to its end")
	}
	return nil
}

func (h *handler) tooLarge() error {
	return signum.Faultf(signum.WrongParam, "Body is larger than %d bytes", h.MaxBody)
}

// retryAfter is the value of Retry-After: whole seconds, rounded up, so that a party
// that waits as long as it is told is not refused again.
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
