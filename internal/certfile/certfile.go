package certfile

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Pair is a certificate with its chain, and its private key.
type Pair struct {
	name string // in the log

	current atomic.Pointer[loaded]

	mu     sync.Mutex
	files  [2]string
	seen   [2]os.FileInfo // the files that were read last
	failed error          // why they are not served; nil: they are
	warned time.Time
}

// loaded is what is served.
type loaded struct {
	tls      *tls.Certificate
	notAfter time.Time // of the first in the chain that ends
}

// Open reads a pair of PEM files. The name of the pair is for the log.
func Open(name, certificate, key string) (*Pair, error) {
	p := &Pair{name: name, files: [2]string{certificate, key}}
	if err := p.read(); err != nil {
		return nil, err
	}
	return p, nil
}

// Get is for tls.Config.GetCertificate.
func (p *Pair) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current.Load().tls, nil }

// NotAfter is when the certificate, or one of its chain, ends.
func (p *Pair) NotAfter() time.Time { return p.current.Load().notAfter }

// Use serves what another pair serves, and watches its files instead.
func (p *Pair) Use(other *Pair) {
	other.mu.Lock()
	files, seen, failed := other.files, other.seen, other.failed
	other.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files, p.seen, p.failed, p.warned = files, seen, failed, time.Time{}
	p.current.Store(other.current.Load())
}

// check reads the files again if they have been replaced. It reports whether there is
// another certificate now. The same error is returned once.
func (p *Pair) check() (changed bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, was := p.failed, p.current.Load()
	if before == nil && p.same() {
		return false, nil
	}
	if err := p.read(); err != nil {
		if before != nil && before.Error() == err.Error() {
			err = nil
		}
		return false, err
	}
	return string(was.tls.Certificate[0]) != string(p.current.Load().tls.Certificate[0]), nil
}

// same reports whether the files are those that were read.
func (p *Pair) same() bool {
	for i, name := range p.files {
		now, err := os.Stat(name)
		if err != nil || !os.SameFile(now, p.seen[i]) || now.Size() != p.seen[i].Size() || !now.ModTime().Equal(p.seen[i].ModTime()) {
			return false
		}
	}
	return true
}

// read loads the files. What is seen is noted before, so that a change meanwhile is
// noticed by the next check.
func (p *Pair) read() (err error) {
	defer func() { p.failed = err }()
	for i, name := range p.files {
		if p.seen[i], err = os.Stat(name); err != nil {
			return err
		}
	}
	pair, err := tls.LoadX509KeyPair(p.files[0], p.files[1])
	if err != nil {
		return fmt.Errorf("%s and %s: %w", p.files[0], p.files[1], err)
	}
	l := &loaded{tls: &pair}
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%s: %w", p.files[0], err)
		}
		if l.notAfter.IsZero() || c.NotAfter.Before(l.notAfter) {
			l.notAfter = c.NotAfter
		}
	}
	p.current.Store(l)
	return nil
}
