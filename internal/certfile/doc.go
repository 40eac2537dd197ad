// Package certfile serves a TLS certificate from files, and takes over new ones while
// the process runs.
//
//	certificate.pem ─▶ Open ─▶ Pair ─▶ Get: tls.Config.GetCertificate
//	key.pem         ─▶         ▲  │
//	    replaced    ─▶ Watch ──┘  └─▶ warnings before the certificate ends
//
// Programs that renew certificates replace the two files one after the other. A pair
// that does not match, or cannot be read, changes nothing: the one before is served
// until the files are right.
//
// It must not know who listens, or what a certificate is for.
package certfile
