package smpp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// Defaults and limits of a Server.
const (
	DefaultServerWindow = 100
	DefaultMaxSessions  = 100
	DefaultBindTimeout  = 5 * time.Second
	closeGrace          = time.Second // for unbind when the server closes
)

// ServerConfig says what a Server does. Zero means the default.
type ServerConfig struct {
	SystemID string // in bind_resp; SMSC
	// Authenticate judges a bind. Nil refuses everybody.
	Authenticate func(systemID, password string) Status
	// Submit takes a message; the id goes into the response. It is called
	// concurrently, up to Window times per session; what is beyond is answered
	// with StatusThrottled. Its context ends with the server. What it returns as
	// answered, which may be nil, is called when nothing that is sent to the
	// session from then on overtakes the response: a receipt, say. Nil answers
	// StatusSubmitFailed.
	Submit func(ctx context.Context, s *Session, m *SubmitSM) (messageID string, st Status, answered func())
	// Bound is called when a session has been bound and its peer told so. It
	// must not wait.
	Bound func(s *Session)

	Window          int // submit_sm in work per session; DefaultServerWindow
	DeliverWindow   int // open deliver_sm per session; DefaultWindow
	MaxSessions     int // connections, bound or not; DefaultMaxSessions
	BindTimeout     time.Duration
	EnquireLink     time.Duration
	ResponseTimeout time.Duration
	Events          *event.Recorder // one event per unreadable PDU; nil: one that writes to Logger
	Logger          *slog.Logger
	Trace           func(sent bool, pdu PDU, at time.Time) // as ClientConfig's
}

// Server is the SMSC's side.
type Server struct {
	cfg  ServerConfig
	log  *slog.Logger
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]bool
	sessions  []*Session // connected
}

// NewServer makes a server; Serve starts it.
func NewServer(cfg ServerConfig) *Server {
	if cfg.SystemID == "" {
		cfg.SystemID = "SMSC"
	}
	if cfg.Window <= 0 {
		cfg.Window = DefaultServerWindow
	}
	if cfg.DeliverWindow <= 0 {
		cfg.DeliverWindow = DefaultWindow
	}
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = DefaultMaxSessions
	}
	orTime(&cfg.BindTimeout, DefaultBindTimeout)
	orTime(&cfg.EnquireLink, DefaultEnquireLink)
	orTime(&cfg.ResponseTimeout, DefaultResponseTimeout)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Events == nil {
		cfg.Events = event.New(systemClock{}, cfg.Logger)
	}
	s := &Server{cfg: cfg, log: cfg.Logger, listeners: make(map[net.Listener]bool)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Serve accepts connections until Close, and returns ErrClosed then. It closes
// the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.listeners[l] = true
	s.mu.Unlock()
	defer s.forget(l)
	var pause time.Duration
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.accept(nc)
		case s.ctx.Err() != nil:
			return ErrClosed
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of file descriptors, say
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("SMPP connection not accepted", "err", err)
			sleep(s.ctx, pause)
		}
	}
}

func (s *Server) forget(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// accept starts a session, if there is room for it.
func (s *Server) accept(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.sessions) >= s.cfg.MaxSessions {
		s.log.Warn("SMPP connection refused: too many")
		_ = nc.Close()
		return
	}
	ss := newSession(s, nc)
	s.sessions = append(s.sessions, ss)
	s.wg.Go(func() {
		defer event.Rescue(s.log, "SMPP session", ss.Close)
		defer s.remove(ss)
		err := ss.run()
		s.log.Info("SMPP session ended", "system_id", ss.SystemID(), "err", err)
	})
}

func (s *Server) remove(ss *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = slices.DeleteFunc(s.sessions, func(o *Session) bool { return o == ss })
}

// Sessions are those that are bound, oldest first.
func (s *Server) Sessions() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bound []*Session
	for _, ss := range s.sessions {
		if ss.Mode() != 0 {
			bound = append(bound, ss)
		}
	}
	return bound
}

// Close unbinds all sessions, which have a second for it, ends them and waits
// for all handlers.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.stop()
	for l := range s.listeners {
		_ = l.Close()
	}
	open := slices.Clone(s.sessions)
	s.mu.Unlock()
	var leaving sync.WaitGroup
	for _, ss := range open {
		leaving.Go(func() {
			defer event.Rescue(s.log, "SMPP unbind", ss.Close)
			ss.leave()
		})
	}
	leaving.Wait()
	s.wg.Wait()
}
