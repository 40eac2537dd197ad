package jsonapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
)

// MaxBody limits the body of a request, in bytes.
const MaxBody = 16 << 10

// Request is a call with its body.
type Request struct {
	*http.Request
	Body   []byte
	Status int // of the answer if there is no error; 200 unless the function changes it
}

// Calls serves calls.
type Calls struct {
	// Missing reports whether an error says that there is no such thing (404). Nil: none
	// does. Any other error is 400.
	Missing func(error) bool
	// MaxBody limits bodies, in bytes; 0: MaxBody.
	MaxBody int64
	Log     *slog.Logger
}

// Serve reads the body and answers with what the function returns.
func (c *Calls) Serve(w http.ResponseWriter, r *http.Request, do func(*Request) (any, error)) {
	limit := c.MaxBody
	if limit == 0 {
		limit = MaxBody
	}
	in := &Request{Request: r, Status: http.StatusOK}
	answer, err := any(nil), error(nil)
	if in.Body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, limit)); err == nil {
		answer, err = do(in)
	}
	switch {
	case err != nil && c.Missing != nil && c.Missing(err):
		c.Refuse(w, http.StatusNotFound, err)
	case err != nil:
		c.Refuse(w, http.StatusBadRequest, err)
	case in.Status == http.StatusNoContent:
		w.WriteHeader(in.Status)
	default:
		c.Answer(w, in.Status, answer)
	}
}

// Refuse answers with an error.
func (c *Calls) Refuse(w http.ResponseWriter, status int, err error) {
	c.Answer(w, status, map[string]string{"error": err.Error()})
}

// Answer sends a JSON answer.
func (c *Calls) Answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		c.Log.Debug("answer not sent", "err", err)
	}
}

// Decode reads one JSON object and refuses unknown members, so that a typing error does
// not pass for success.
func Decode(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("the body is not the expected JSON: %w", err)
	}
	return nil
}
