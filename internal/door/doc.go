// Package door serves HTTP on one address, and decides who may connect and how
// long each step may take. A client that sends or reads slowly, or not at all,
// loses its connection, whatever the handler does.
//
//	accept ─▶ PROXY header, TLS handshake ─▶ request ─▶ handler (may wait for a user) ─▶ answer
//	          10 s                           10 s                                       10 s a piece
//
// The deadline of a request is that of http.Server.ReadTimeout, which ends with
// the body: a handler that has read it may wait as long as it likes. A handler
// whose requests are large extends it (http.ResponseController.SetReadDeadline).
// The deadline of an answer is set by conn before each piece is written, and for
// HTTP/2 also by stream, because a client that grants no window stops an answer
// before it reaches the connection.
//
// A door ends in up to three steps, so that clients notice little: Farewell, Drain, and
// the end of Run's context.
//
// The door also refuses requests over HTTP/1.1 that a proxy may divide in another way
// than net/http: see framing.
//
// It must not know what is served, and holds no rule about parties or users.
package door
