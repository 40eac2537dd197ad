package door

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
)

// idleConns are connections on which no request has been sent yet; browsers
// like to keep a few. http.Server.Shutdown waits for such a connection until it
// is 5 s old, which is all the time there is to stop. They can be closed at
// once: no request is in flight.
type idleConns struct {
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	stopping bool
}

// watch makes srv close its idle connections when it shuts down.
func (i *idleConns) watch(srv *http.Server) {
	i.conns = make(map[net.Conn]struct{})
	srv.ConnState = i.note
	srv.RegisterOnShutdown(i.close)
}

func (i *idleConns) note(c net.Conn, s http.ConnState) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case s != http.StateNew:
		delete(i.conns, c)
	case i.stopping: // accepted just before the shutdown
		_ = c.Close()
	default:
		i.conns[c] = struct{}{}
	}
}

func (i *idleConns) close() {
	i.mu.Lock()
	i.stopping = true
	conns := slices.Collect(maps.Keys(i.conns))
	i.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

func (i *idleConns) len() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.conns)
}
