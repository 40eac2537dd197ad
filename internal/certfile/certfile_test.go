package certfile

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

type files struct {
	t         *testing.T
	cert, key string
}

// made is the PEM of a certificate and its key.
func (f files) made(serial int64, notAfter time.Time) (cert, key []byte) {
	f.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		f.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		f.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// replace puts another file in the place of one, as programs that renew certificates do.
func (f files) replace(name string, data []byte) {
	f.t.Helper()
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		f.t.Fatal(err)
	}
}

func (f files) serial(p *Pair) int64 {
	f.t.Helper()
	c, err := p.Get(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		f.t.Fatal(err)
	}
	return leaf.SerialNumber.Int64()
}

// TestReplaced: each state that the two files are in while they are replaced. A pair that
// does not match, is cut off or is missing changes nothing.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	f := files{t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	end := time.Now().Add(90 * day).UTC().Truncate(time.Second)
	cert, key := f.made(1, end)
	f.replace(f.cert, cert)
	f.replace(f.key, key)
	p, err := Open("mss", f.cert, f.key)
	if err != nil {
		t.Fatal(err)
	}
	cert2, key2 := f.made(2, end.Add(day))
	for _, step := range []struct {
		name string
		do   func()
		want int64
		log  string // what the look says; empty: nothing
	}{
		{"nothing", func() {}, 1, ""},
		{"half of the certificate", func() { f.replace(f.cert, cert2[:len(cert2)/2]) }, 1, "cannot be used"},
		{"the same half", func() {}, 1, ""},
		{"the whole certificate", func() { f.replace(f.cert, cert2) }, 1, "private key does not match public key"},
		{"no key", func() {
			if err := os.Remove(f.key); err != nil {
				t.Fatal(err)
			}
		}, 1, "no such file"},
		{"the key", func() { f.replace(f.key, key2) }, 2, "taken over"},
		{"the same once more", func() { f.replace(f.key, key2) }, 2, ""},
		{"the first pair, key first", func() { f.replace(f.key, key) }, 2, "does not match"},
		{"and its certificate", func() { f.replace(f.cert, cert) }, 1, "taken over"},
	} {
		log := new(testkit.Buffer)
		step.do()
		p.look(slog.New(slog.NewTextHandler(log, nil)), time.Now())
		if got := f.serial(p); got != step.want {
			t.Errorf("%s: certificate %d is served, want %d", step.name, got, step.want)
		}
		if said := log.String(); step.log == "" && said != "" || !strings.Contains(said, step.log) {
			t.Errorf("%s: the log says %q, want %q", step.name, said, step.log)
		}
	}
	if !p.NotAfter().Equal(end) {
		t.Errorf("it ends at %s, want %s", p.NotAfter(), end)
	}
	if _, err := Open("mss", f.cert, f.cert); err == nil {
		t.Error("a certificate is no key")
	}
}

// TestUse: a pair takes over what another has read, and then watches its files.
func TestUse(t *testing.T) {
	var pairs []*Pair
	var all []files
	for i := range int64(2) {
		dir := t.TempDir()
		f := files{t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
		cert, key := f.made(i+1, time.Now().Add(90*day))
		f.replace(f.cert, cert)
		f.replace(f.key, key)
		p, err := Open("mss", f.cert, f.key)
		if err != nil {
			t.Fatal(err)
		}
		pairs, all = append(pairs, p), append(all, f)
	}
	p := pairs[0]
	p.Use(pairs[1])
	if got := all[0].serial(p); got != 2 {
		t.Errorf("certificate %d", got)
	}
	cert, key := all[1].made(3, time.Now().Add(90*day))
	all[1].replace(all[1].cert, cert)
	all[1].replace(all[1].key, key)
	if changed, err := p.check(); !changed || err != nil || all[0].serial(p) != 3 {
		t.Errorf("%t, %v, certificate %d", changed, err, all[0].serial(p))
	}
}

// TestWarnings: once a day in the last 30 days, as errors in the last 7.
func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := files{t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
		cert, key := f.made(1, time.Now().Add(32*day))
		f.replace(f.cert, cert)
		f.replace(f.key, key)
		p, err := Open("web", f.cert, f.key)
		if err != nil {
			t.Fatal(err)
		}
		log := new(testkit.Buffer)
		begun := time.Now()
		for at := time.Duration(0); at <= 33*day; at += time.Hour {
			p.look(slog.New(slog.NewTextHandler(log, nil)), begun.Add(at))
		}
		for text, want := range map[string]int{"level=WARN": 23, "level=ERROR": 8, "ends soon": 30, "has ended": 1, "listener=web": 31, "days_left=29": 1} {
			if got := strings.Count(log.String(), text); got != want {
				t.Errorf("%d lines with %q, want %d", got, text, want)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			Watch(ctx, slog.New(slog.DiscardHandler), time.Now, p)
			close(ended)
		}()
		cert, key = f.made(2, time.Now().Add(90*day))
		f.replace(f.cert, cert)
		f.replace(f.key, key)
		time.Sleep(every)
		synctest.Wait()
		if got := f.serial(p); got != 2 {
			t.Errorf("certificate %d after a look", got)
		}
		stop()
		<-ended
	})
}
