package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
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
)

// Defaults of Options.
const (
	DefaultMaxBody     = 64 << 10 // bytes, after decompression
	DefaultReadTimeout = 10 * time.Second
	DefaultMaxOpen     = 20000 // open requests per client certificate
)

// Options are what the wires of a server share.
type Options struct {
	Service     Service
	Clock       signum.Clock
	Logger      *slog.Logger  // one event per request, at level info
	MaxBody     int64         // bytes; DefaultMaxBody
	ReadTimeout time.Duration // for the body; DefaultReadTimeout
	MaxOpen     int           // DefaultMaxOpen
}

// Register adds the endpoints of the wires to the mux.
func Register(mux *http.ServeMux, o Options, wires ...Wire) {
	if o.Clock == nil {
		o.Clock = signum.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = DefaultReadTimeout
	}
	if o.MaxOpen == 0 {
		o.MaxOpen = DefaultMaxOpen
	}
	open := &openRequests{limit: o.MaxOpen, n: make(map[signum.Pin]int)}
	for _, w := range wires {
		for _, ep := range w.Endpoints() {
			mux.Handle("POST "+ep.Path, &handler{Options: o, wire: w, op: ep.Op, open: open})
		}
	}
}

type handler struct {
	Options
	wire Wire
	op   signum.Operation
	open *openRequests
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// ServeHTTP is the one way of every call. While the service waits for a person
// nothing of the body is held, and little on the stack: tens of thousands wait
// at a time, and a stack of half the size is what a collection leaves of one
// that is a quarter full.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ev := &event{start: h.Clock.Now(), wire: h.wire.Name(), op: h.op}
	req, form, err := h.read(w, r)
	var resp signum.Response
	if err == nil {
		ev.request(req)
		resp, err = h.serve(r, ev, req)
	}
	h.answer(w, r, ev, form, resp, err)
}

// serve asks the service, within the party's share of open requests.
func (h *handler) serve(r *http.Request, ev *event, req signum.Request) (signum.Response, error) {
	caller := CallerOf(r.TLS, ev.start)
	if err := h.open.enter(caller); err != nil {
		return nil, err
	}
	defer h.open.leave(caller)
	return h.call(r.Context(), caller, req)
}

func (h *handler) answer(w http.ResponseWriter, r *http.Request, ev *event, form Form, resp signum.Response, err error) {
	if err != nil && signum.AsFault(err) == nil && r.Context().Err() != nil {
		ev.gone(r.Context(), h.Logger, h.Clock.Now())
		// Nobody may take an empty answer for one.
		panic(http.ErrAbortHandler)
	}
	status := http.StatusOK
	out := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(out)
	out.Reset()
	var body []byte
	if err == nil {
		ev.response(resp)
		body = h.wire.AppendResponse(out.AvailableBuffer(), form, resp)
	} else {
		status = http.StatusInternalServerError
		body = h.wire.AppendFault(out.AvailableBuffer(), form, ev.fault(err))
	}
	head := w.Header()
	head.Set("Content-Type", h.wire.ContentType())
	head.Set("Content-Length", strconv.Itoa(len(body)))
	head.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil && ev.detail == "" {
		ev.detail = "the party hung up while it was answered"
	}
	ev.emit(r.Context(), h.Logger, h.Clock.Now())
	out.Write(body) // keeps a grown buffer for the next answer
}

func (h *handler) call(ctx context.Context, c signum.Caller, req signum.Request) (resp signum.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	// A nil pointer in the interface would look like a response.
	switch req := req.(type) {
	case *signum.SignatureRequest:
		if r, err := h.Service.Sign(ctx, c, req); err != nil {
			return nil, err
		} else {
			return r, nil
		}
	case *signum.StatusRequest:
		if r, err := h.Service.Status(ctx, c, req); err != nil {
			return nil, err
		} else {
			return r, nil
		}
	}
	return nil, fmt.Errorf("no service for %T", req)
}

// read reads and decodes the body within the limits.
func (h *handler) read(w http.ResponseWriter, r *http.Request) (signum.Request, Form, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		// Parameters may be odd; the type itself counts.
		media, _, _ = strings.Cut(r.Header.Get("Content-Type"), ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	if !h.wire.Accepts(media) {
		return nil, 0, signum.Faultf(signum.WrongParam, "Content-Type is not one of this endpoint")
	}
	if r.ContentLength > h.MaxBody {
		w.Header().Set("Connection", "close")
		return nil, 0, h.tooLarge()
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(h.ReadTimeout)) // not every server can; then its own limits hold
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	if err := h.readBody(buf, w, r); err != nil {
		return nil, 0, err
	}
	_ = rc.SetReadDeadline(time.Time{})
	return h.decode(buf.Bytes())
}

func (h *handler) decode(body []byte) (req signum.Request, form Form, err error) {
	defer func() {
		if p := recover(); p != nil {
			req, err = nil, fmt.Errorf("panic in decoder: %v", p)
		}
	}()
	return h.wire.Decode(h.op, body)
}

func (h *handler) readBody(buf *bytes.Buffer, w http.ResponseWriter, r *http.Request) error {
	var src io.Reader = http.MaxBytesReader(w, r.Body, h.MaxBody)
	// Any other encoding, such as "UTF-8", says nothing and is ignored.
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
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

// openRequests bounds how many requests one party may have waiting.
type openRequests struct {
	limit int
	mu    sync.Mutex
	n     map[signum.Pin]int
}

func (o *openRequests) enter(c signum.Caller) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.n[c.Pin] >= o.limit {
		return signum.Faultf(signum.InternalError, "Too many open requests")
	}
	o.n[c.Pin]++
	return nil
}

func (o *openRequests) leave(c signum.Caller) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.n[c.Pin]--; o.n[c.Pin] <= 0 {
		delete(o.n, c.Pin)
	}
}

func newTrace() string { return rand.Text()[:12] }
