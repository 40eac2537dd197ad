// Package clientaddr finds the address of the client of an HTTP request, which is
// not the peer of the connection if that is a proxy.
//
//	PROXY header ─▶ Behind ─▶ peer of the connection
//	peer, X-Forwarded-For ─▶ Resolver ─▶ context of the request ─▶ Of, Source, Key
//
// A proxy that does not open TLS cannot add a header of HTTP. It begins the connection
// with one of the PROXY protocol, and the client becomes the peer.
//
// X-Forwarded-For is believed from trusted proxies only. Each proxy appends the
// address of its own peer, so the header is read from its end: the first address
// that is not a trusted proxy is the client's, and what stands before it is the
// client's claim. What cannot be read ends the search at the last address that
// could.
//
// It must be the only package that reads http.Request.RemoteAddr and net.Conn.RemoteAddr, and must not
// know what the address is used for.
package clientaddr
