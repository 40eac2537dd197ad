package door

import (
	"net/http"
	"time"
)

// strangerStreams is how many requests may be open on the HTTP/2 connection of a
// client that nobody knows: as many as net/http allows by itself. A client may have
// many such connections, and each open request takes memory.
const strangerStreams = 250

// bounded is next for connections that do not have too many requests. The limit that
// a client is told in the settings of HTTP/2 is the one for those who are known, as
// net/http has one for all.
func (d *Door) bounded(next http.Handler) http.Handler {
	if d.Known == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(connKey{}).(*conn)
		if c == nil || c.known {
			next.ServeHTTP(w, r)
			return
		}
		defer c.streams.Add(-1)
		if c.streams.Add(1) > strangerStreams {
			d.Refused(ReasonStreams)
			w.Header().Set("Connection", "close") // after the requests that are open
			http.Error(w, "Too many requests on one connection without a client certificate that the service knows.", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// patient is next with a time limit for those who read an answer over HTTP/2. A
// client may grant no window to a stream, and then nothing reaches the connection
// and its deadline.
func (d *Door) patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 {
			w = &stream{ResponseWriter: w, patience: d.WriteTimeout}
		}
		next.ServeHTTP(w, r)
	})
}

// stream is the answer to a request over HTTP/2.
type stream struct {
	http.ResponseWriter
	patience time.Duration
	extended time.Time
}

// extend gives the next piece its time. A deadline is renewed when a part of it has
// passed, because that costs more than a small write.
func (s *stream) extend() {
	if now := time.Now(); now.Sub(s.extended) > s.patience/8 {
		s.extended = now
		_ = http.NewResponseController(s.ResponseWriter).SetWriteDeadline(now.Add(s.patience))
	}
}

func (s *stream) WriteHeader(status int) {
	s.extend()
	s.ResponseWriter.WriteHeader(status)
}

func (s *stream) Write(p []byte) (written int, err error) {
	for first := true; first || len(p) > 0; first = false {
		s.extend()
		n, err := s.ResponseWriter.Write(p[:min(len(p), piece)])
		if written += n; err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// Flush implements http.Flusher.
func (s *stream) Flush() {
	s.extend()
	_ = http.NewResponseController(s.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController find what this does not have.
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }
