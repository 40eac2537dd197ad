package faults

import (
	"net"
	"sync"
	"testing"
)

// line is a TCP connection through which a test can cut or freeze: cut, nobody listens at
// its end; frozen, the system still takes connections and data, and nobody reads them, as
// with a process that is stopped.
type line struct {
	to string

	mu    sync.Mutex
	l     net.Listener // nil: cut
	at    string
	ends  []net.Conn
	flows chan struct{} // closed: data flow
	work  sync.WaitGroup
}

func newLine(t testing.TB, to string) *line {
	t.Helper()
	n := &line{to: to, at: "127.0.0.1:0", flows: make(chan struct{})}
	close(n.flows)
	if err := n.join(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.thaw()
		n.cut()
		n.work.Wait()
	})
	return n
}

func (n *line) addr() string { return n.at }

// join lets connections in again.
func (n *line) join() error {
	l, err := net.Listen("tcp", n.at)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.l, n.at = l, l.Addr().String()
	n.mu.Unlock()
	n.work.Go(func() { n.serve(l) })
	return nil
}

// cut ends all connections, and refuses others.
func (n *line) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.l != nil {
		n.l.Close()
	}
	for _, c := range n.ends {
		c.Close()
	}
	n.l, n.ends = nil, nil
}

// freeze stops the flow of data.
func (n *line) freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flows = make(chan struct{})
}

// thaw lets data flow again.
func (n *line) thaw() {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.flows:
	default:
		close(n.flows)
	}
}

func (n *line) flowing() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.flows
}

func (n *line) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		n.work.Go(func() { n.connect(l, c) })
	}
}

func (n *line) connect(l net.Listener, near net.Conn) {
	<-n.flowing()
	far, err := net.Dial("tcp", n.to)
	if err != nil {
		near.Close()
		return
	}
	n.mu.Lock()
	if n.l != l { // cut meanwhile
		near.Close()
		far.Close()
	}
	n.ends = append(n.ends, near, far)
	n.mu.Unlock()
	n.work.Go(func() { n.copy(near, far) })
	n.copy(far, near)
}

func (n *line) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	for buf := make([]byte, 4096); ; {
		k, err := from.Read(buf)
		<-n.flowing()
		if _, werr := to.Write(buf[:k]); err != nil || werr != nil {
			return
		}
	}
}
