package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	maxBody     = 64 << 10
	maxDeviceID = 64
)

// call is one HTTP call in progress, with what its event will say.
type call struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	start time.Time
	body  []byte

	device *mssp.AppDevice // the device that proved the call; nil if it needs no proof
	msisdn string          // canonical; masked in the log
	trans  string
	note   string // for the log only
}

// raw is an answer that is not JSON.
type raw struct {
	mime  string
	body  []byte
	keeps bool // it never changes: caches may keep it
}

type handlerFunc func(*call) (any, error)

// open serves calls that need no proof, proved those that do.
func (s *Server) open(f handlerFunc) http.Handler { return s.handler(false, f) }

func (s *Server) proved(f handlerFunc) http.Handler { return s.handler(true, f) }

func (s *Server) handler(proved bool, f handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: s, w: w, r: r, start: s.now()}
		out, err := c.run(proved, f)
		c.answer(out, err)
	})
}

// outdated answers Apps of an earlier version of the protocol. It reads no body,
// because the answer is the same for all.
func (s *Server) outdated(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r, start: s.now()}
	if wait := s.byAddress.Take(clientaddr.Key(r), c.start); wait > 0 {
		c.answer(nil, slow(wait))
		return
	}
	c.answer(nil, errUpgrade)
}

func (c *call) run(proved bool, f handlerFunc) (out any, err error) {
	defer event.RescueTo(&err, c.s.log, "App call")
	if wait := c.s.byAddress.Take(clientaddr.Key(c.r), c.start); wait > 0 {
		return nil, slow(wait)
	}
	if err := c.read(); err != nil {
		return nil, err
	}
	if proved {
		if err := c.authenticate(); err != nil {
			return nil, err
		}
	}
	return f(c)
}

func (c *call) read() (err error) {
	c.body, err = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return malformed("The body is larger than %d bytes.", maxBody)
	case err != nil:
		return malformed("The body could not be read completely.")
	}
	return nil
}

func (c *call) authenticate() error {
	values := c.r.Header.Values(proofHeader)
	if len(values) != 1 {
		return malformed("The call must have exactly one %s header.", proofHeader)
	}
	d, err := c.s.verify(c.r.Context(), values[0], proofTarget{c.s.cfg.Service, c.r.Method, c.r.RequestURI, c.body})
	if d != nil {
		c.device, c.msisdn = d, d.MSISDN
	}
	return err
}

// verify accepts a proof once and returns the device that made it. Only the holder of
// the device's key can use up its limits: neither a stranger's proof nor one that was
// accepted before counts. The limits come before the proof is remembered, so that a
// device cannot fill the memory that all share.
func (s *Server) verify(ctx context.Context, compact string, t proofTarget) (*mssp.AppDevice, error) {
	p, err := parseCallProof(compact)
	if err != nil {
		return nil, malformed("The proof is malformed.")
	}
	key := s.decoy // an unknown device takes as long to refuse as a known one
	d, err := s.cfg.Store.App(ctx, p.kid)
	switch {
	case err == nil:
		if key, err = parseKey(d.AuthKey); err != nil {
			return nil, fmt.Errorf("authentication key of device %s: %w", p.kid, err)
		}
	case !errors.Is(err, mssp.ErrNotFound):
		return nil, err
	}
	if !p.matches(key, t) || d == nil {
		return nil, errUnauthorised
	}
	now := s.now()
	if !p.timely(now, s.rememberedSince()) {
		return d, stale(now)
	}
	if s.proofs.has(p.replayKey(), now) {
		return d, errReplay
	}
	if err := s.limit(d, now); err != nil {
		return d, err
	}
	switch added, forgotten := s.proofs.add(p.replayKey(), p.made(), now); {
	case forgotten:
		return d, stale(now)
	case !added: // two calls with one proof at the same time
		return d, errReplay
	}
	return d, s.onceForAll(ctx, p)
}

func (s *Server) limit(d *mssp.AppDevice, now time.Time) error {
	if wait := s.byDevice.Take(d.DeviceID, now); wait > 0 {
		return slow(wait)
	}
	if wait := s.bySubscriber.Take(d.MSISDN, now); wait > 0 {
		return slow(wait)
	}
	return nil
}

// decode reads the body as JSON. It refuses duplicate members and ignores
// unknown ones.
func (c *call) decode(v any) error {
	if err := json.Unmarshal(c.body, v); err != nil {
		return malformed("The body is not valid JSON for this call.")
	}
	return nil
}

func (c *call) answer(out any, err error) {
	head := c.w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	status, mime, body := http.StatusNoContent, "", []byte(nil)
	e := c.event()
	var ref *refusal
	switch {
	case err != nil:
		ref = c.refusal(e, err)
		status, mime = ref.status, "application/json"
		body, _ = json.Marshal(ref)
		if ref.retry > 0 {
			head.Set("Retry-After", strconv.Itoa(int((ref.retry+time.Second-1)/time.Second)))
		}
	case out != nil:
		status, mime = http.StatusOK, "application/json"
		if r, ok := out.(raw); ok {
			mime, body = r.mime, r.body
			if r.keeps {
				head.Set("Cache-Control", "public, max-age=31536000, immutable")
			}
		} else if body, err = json.Marshal(out, jsontext.AllowInvalidUTF8(true)); err != nil {
			ref = c.refusal(e, err)
			status = ref.status
			body, _ = json.Marshal(ref)
		}
	}
	if mime != "" {
		head.Set("Content-Type", mime)
		head.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // an App that hung up repeats the call
	if e.Status = status; ref != nil {
		e.Reason = ref.Code
		if c.device == nil && e.Cause == nil { // a stranger can cause any number of these
			c.s.events.Sample(e)
		}
	}
	c.s.events.Emit(c.r.Context(), e)
}

// refusal is the answer to an error. Of an internal error the App learns the
// incident only.
func (c *call) refusal(e *event.Event, err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	r = refuse(http.StatusInternalServerError, "internal", "An internal error occurred.")
	if r.Incident = c.s.events.Fail(c.r.Context(), e, err); r.Incident == "" {
		r.Code = "cut_off" // nobody reads it
	}
	return r
}

// event starts the event of this call. It must not contain codes, verifiers,
// shares, texts or proofs.
func (c *call) event() *event.Event {
	op := c.r.Pattern // not the path, which the caller chooses
	if op == "/" {
		op = "other"
	}
	e := c.s.events.Begin("app", op, clientaddr.Source(c.r))
	e.Start, e.MSISDN, e.TransID, e.Note = c.start, c.msisdn, c.trans, c.note
	if c.device != nil {
		e.Device = c.device.DeviceID
	}
	return e
}
