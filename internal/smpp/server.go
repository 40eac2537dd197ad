package smpp

import (
	"cmp"
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
	closeGrace          = time.Second // for the unbinds when the server closes
)

// ServerConfig configures a Server. Zero values mean the defaults.
type ServerConfig struct {
	SystemID string // in bind_resp; default "SMSC"
	// Authenticate decides on a bind; any status but StatusOK refuses it. Nil
	// refuses every bind.
	Authenticate func(systemID, password string) Status
	// Submit handles a message; the id goes into the response. It is called
	// concurrently, up to Window times per session; further messages are answered
	// with StatusThrottled. Its context ends with the server. The function that it
	// returns, which may be nil, is called once nothing that is sent to the session
	// can overtake the response any longer, such as a receipt. Nil answers
	// StatusSubmitFailed.
	Submit func(ctx context.Context, s *Session, m *SubmitSM) (messageID string, st Status, answered func())
	// Bound is called when a session is bound and its peer has been told so. It
	// must not block.
	Bound func(s *Session)

	Window          int // submit_sm being handled per session; DefaultServerWindow
	DeliverWindow   int // deliver_sm without a response per session; DefaultWindow
	MaxSessions     int // connections, bound or not; DefaultMaxSessions
	BindTimeout     time.Duration
	EnquireLink     time.Duration
	ResponseTimeout time.Duration
	Events          *event.Recorder // one event per unreadable PDU; nil: one that writes to Logger
	Logger          *slog.Logger
	Trace           func(sent bool, pdu PDU, at time.Time) // see ClientConfig.Trace
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

// NewServer returns a server; Serve starts it.
func NewServer(cfg ServerConfig) *Server {
	cfg.SystemID = cmp.Or(cfg.SystemID, "SMSC")
	cfg.Window = cmp.Or(cfg.Window, DefaultServerWindow)
	cfg.DeliverWindow = cmp.Or(cfg.DeliverWindow, DefaultWindow)
	cfg.MaxSessions = cmp.Or(cfg.MaxSessions, DefaultMaxSessions)
	cfg.BindTimeout = cmp.Or(cfg.BindTimeout, DefaultBindTimeout)
	cfg.EnquireLink = cmp.Or(cfg.EnquireLink, DefaultEnquireLink)
	cfg.ResponseTimeout = cmp.Or(cfg.ResponseTimeout, DefaultResponseTimeout)
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

// Serve accepts connections until Close and then returns ErrClosed. It closes the
// listener.
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

// accept starts a session if there are not too many.
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

// Sessions returns the bound sessions, oldest first.
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

// Close unbinds all sessions, which get a second for it, ends them and waits for
// all handlers.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.stop()
	for l := range s.listeners {
		_ = l.Close()
	}
	open := slices.Clone(s.sessions)
	s.mu.Unlock()
	var unbinding sync.WaitGroup
	for _, ss := range open {
		unbinding.Go(func() {
			defer event.Rescue(s.log, "SMPP unbind", ss.Close)
			ss.unbind()
		})
	}
	unbinding.Wait()
	s.wg.Wait()
}
