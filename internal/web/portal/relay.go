package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/limit"
)

// This file is about requests that come to another node than the one that has the session or the
// log-in. Their cookie names that node, which answers them; this one passes them on.

// Nodes are the nodes that share the pages.
type Nodes interface {
	// ID is of this node. It has no dot.
	ID() string
	// Lives reports whether a node lives that has this ID.
	Lives(node string) bool
	// Others are the IDs of the other nodes that live.
	Others() []string
	// Ask has another node serve a request, with Portal.Relayed.
	Ask(ctx context.Context, node string, request []byte) (answer []byte, err error)
}

const (
	// relayWait is how long the other node may take.
	relayWait = 10 * time.Second
	// maxRelaying is how many requests are passed on at a time.
	maxRelaying = 128
	// listWait is how long other nodes may take to list sessions.
	listWait = 3 * time.Second
	// maxRelayed is the largest body that is passed on, which no form comes near.
	maxRelayed = 64 << 10
)

// relayRate is how often requests from one address are passed on. Many people may share one, and
// each page that waits for a phone asks once a second.
var relayRate = limit.PerMinute(3000, 300)

// relayed is a request or its answer on the way between nodes.
type relayed struct {
	Method string      `json:"method,omitempty"`
	URI    string      `json:"uri,omitempty"`
	Host   string      `json:"host,omitempty"`
	Client string      `json:"client,omitempty"` // address
	Status int         `json:"status,omitempty"`
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`

	Sessions *sessionsOf `json:"sessions,omitempty"` // in place of a request
}

// sessionsOf asks for the sessions of a number, after one of them has ended.
type sessionsOf struct {
	Number string `json:"number"`
	End    string `json:"end,omitempty"` // ID of a session
}

// newCookie returns a value of 256 random bits, after the node that has what it stands for.
func (p *Portal) newCookie() string {
	if p.Nodes == nil {
		return newCookie()
	}
	return p.Nodes.ID() + "." + newCookie()
}

// nodeOf returns the other node that has what a request is about; empty if it is this one, or
// nobody.
func (p *Portal) nodeOf(r *http.Request) string {
	names := []string{sessionCookie, loginCookie}
	if strings.HasPrefix(r.URL.Path, "/me/login") {
		names = []string{loginCookie, sessionCookie}
	}
	if p.Nodes == nil || strings.HasPrefix(r.URL.Path, "/me/assets/") {
		return ""
	}
	for _, name := range names {
		stored, _ := p.stored(name, "")
		if c, err := r.Cookie(stored); err == nil {
			if node, _, ok := strings.Cut(c.Value, "."); ok && node != p.Nodes.ID() && p.Nodes.Lives(node) {
				return node
			}
			return ""
		}
	}
	return ""
}

// tooMany refuses requests to pass on. Each costs the database more than a page does, and a
// stranger's cookie can name any node. It returns how long to wait, and otherwise a function that
// ends the request.
func (p *Portal) tooMany(r *http.Request) (wait time.Duration, done func()) {
	if wait = p.relays.Take(clientaddr.Key(r), p.Clock.Now()); wait > 0 {
		return wait, nil
	}
	select {
	case p.relaying <- struct{}{}:
		return 0, func() { <-p.relaying }
	default:
		return time.Second, nil
	}
}

// relay serves requests, or has another node serve them.
func (p *Portal) relay(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		node := p.nodeOf(r)
		if node == "" {
			next.ServeHTTP(w, r)
			return
		}
		wait, done := p.tooMany(r)
		if wait > 0 {
			p.entrance("relay", func(c *call) {
				c.slow(wait)
				c.render(http.StatusTooManyRequests, "message", "unsigned.slow.title", map[string]any{"What": "unsigned.slow"})
			})(w, r)
			return
		}
		defer done()
		a, err := p.passOn(r, node)
		if err != nil {
			p.entrance("relay", func(c *call) { c.fail(fmt.Errorf("page of another node: %w", err)) })(w, r)
			return
		}
		for name, values := range a.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(a.Status)
		_, _ = w.Write(a.Body)
	})
}

func (p *Portal) passOn(r *http.Request, node string) (*relayed, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRelayed))
	if err != nil {
		return nil, err
	}
	header := r.Header.Clone()
	header.Del("X-Forwarded-For") // this node has read it
	q, err := json.Marshal(relayed{Method: r.Method, URI: r.URL.RequestURI(), Host: r.Host, Client: clientaddr.Source(r), Header: header, Body: body})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), relayWait)
	defer cancel()
	text, err := p.Nodes.Ask(ctx, node, q)
	if err != nil {
		return nil, err
	}
	a := new(relayed)
	if err := json.Unmarshal(text, a); err != nil {
		return nil, err
	}
	if a.Status < http.StatusOK || a.Status > 599 {
		return nil, errors.New("the answer has no status")
	}
	return a, nil
}

// allSessions are those of the user at all nodes, the latest first.
func (p *Portal) allSessions(c *call) []sessionView {
	all := p.sessions.list(c.session.number, c.session)
	all = append(all, p.askAll(c, sessionsOf{Number: c.session.number})...)
	slices.SortFunc(all, func(a, b sessionView) int { return b.Started.Compare(a.Started) })
	return all
}

// askAll asks all other nodes at once. Those of one that does not answer are left out.
func (p *Portal) askAll(c *call, s sessionsOf) []sessionView {
	if p.Nodes == nil {
		return nil
	}
	question, err := json.Marshal(relayed{Sessions: &s})
	if err != nil {
		panic(err) // it has no type that cannot be written
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), listWait)
	defer cancel()
	others := p.Nodes.Others()
	lists := make([][]sessionView, len(others))
	var asking sync.WaitGroup
	for i, node := range others {
		asking.Go(func() {
			defer event.Rescue(p.Logger, "sessions at another node")
			text, err := p.Nodes.Ask(ctx, node, question)
			if err == nil {
				err = json.Unmarshal(text, &lists[i])
			}
			if err != nil {
				p.Logger.Warn("sessions at another node", "node", node, "err", err)
			}
		})
	}
	asking.Wait()
	return slices.Concat(lists...)
}

// Relayed serves a request that another node has passed on.
func (p *Portal) Relayed(ctx context.Context, request []byte) ([]byte, error) {
	var q relayed
	if err := json.Unmarshal(request, &q); err != nil {
		return nil, fmt.Errorf("portal: request of another node: %w", err)
	}
	if s := q.Sessions; s != nil {
		p.sessions.endOf(s.Number, s.End)
		return json.Marshal(p.sessions.list(s.Number, nil))
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, q.URI, bytes.NewReader(q.Body))
	if err != nil {
		return nil, fmt.Errorf("portal: request of another node: %w", err)
	}
	r.Host, r.RequestURI = q.Host, q.URI
	if r.Header = q.Header; r.Header == nil {
		r.Header = make(http.Header)
	}
	a := recorder{relayed{Header: make(http.Header)}}
	p.pagesHere.ServeHTTP(&a, clientaddr.With(r, q.Client))
	a.WriteHeader(http.StatusOK)
	return json.Marshal(a.relayed)
}

// recorder keeps an answer.
type recorder struct{ relayed }

func (r *recorder) Header() http.Header { return r.relayed.Header }

// WriteHeader counts the first time.
func (r *recorder) WriteHeader(status int) {
	if r.Status == 0 {
		r.Status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.Body = append(r.Body, b...)
	return len(b), nil
}
