package node

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
)

// fresh are connections on which nothing was asked yet; browsers like to have
// some. http.Server.Shutdown waits for those of the last 5 s, which is all the
// time that there is to stop. They need none: who has not asked waits for no
// answer.
type fresh struct {
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	stopping bool
}

// watch has the connections of a server closed when it shuts down.
func (f *fresh) watch(srv *http.Server) {
	f.conns = make(map[net.Conn]struct{})
	srv.ConnState = f.note
	srv.RegisterOnShutdown(f.close)
}

func (f *fresh) note(c net.Conn, s http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case s != http.StateNew:
		delete(f.conns, c)
	case f.stopping: // accepted just before
		_ = c.Close()
	default:
		f.conns[c] = struct{}{}
	}
}

func (f *fresh) close() {
	f.mu.Lock()
	f.stopping = true
	conns := slices.Collect(maps.Keys(f.conns))
	f.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}
