//go:build linux

package container

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/softapp"
)

// party is an application provider that signs until it is told to end.
type party struct {
	d       *deployment
	config  client.Config
	signers sync.WaitGroup
	stop    chan struct{}
	made    atomic.Int64 // signatures
	byApp   atomic.Int64 // those of them that an App made
	failed  chan error
}

func (d *deployment) newParty() *party {
	d.t.Helper()
	file := filepath.Join(d.volumes, "ca", "party.pem")
	cert, err := tls.LoadX509KeyPair(file, file)
	d.must(err)
	return &party{d: d, stop: make(chan struct{}), failed: make(chan error, users), config: client.Config{
		BaseURL: "https://id.example.com:8443", APID: "mid://party.example", DialContext: d.dial("8443"),
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: d.roots("etc/mss.pem")},
	}}
}

// connectApp gives a user an App, which reaches the nodes through the balancer from the machine of
// the party. It returns the number.
func (d *deployment) connectApp(node *deployed) (msisdn string) {
	d.t.Helper()
	msisdn = "+41791234568"
	var invitation struct{ Code string }
	d.must(json.Unmarshal([]byte(node.succeeds("user", "invite", "--json", msisdn)), &invitation))
	apps, err := softapp.New(softapp.Config{
		Base: "https://id.example.com:8444" + softapp.Path, FastKDF: true,
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: d.dial("8444"), TLSClientConfig: &tls.Config{RootCAs: d.roots("etc/mss.pem")}}},
	})
	d.must(err)
	ctx, cancel := context.WithCancel(d.t.Context())
	ran := make(chan error, 1)
	go func() { ran <- apps.Run(ctx) }()
	d.t.Cleanup(func() { cancel(); <-ran; apps.Close() })
	_, err = apps.Enrol(ctx, invitation.Code, softapp.EnrolOptions{})
	d.must(err)
	return msisdn
}

// signWithApp asks the user of an App, twice a second at most.
func (p *party) signWithApp(msisdn string) {
	c, err := client.New(p.config)
	p.d.must(err)
	p.signers.Go(func() {
		for pause := time.NewTicker(500 * time.Millisecond); ; {
			if _, err := c.Sign(context.Background(), client.SignRequest{MSISDN: msisdn, Text: "Log in?"}); err != nil {
				p.failed <- fmt.Errorf("by an App, after %d signatures: %w", p.byApp.Load(), err)
				return
			}
			p.made.Add(1)
			p.byApp.Add(1)
			select {
			case <-p.stop:
				return
			case <-pause.C:
			}
		}
	})
}

// sign begins. Several programs of the party have their own connections, and ask one user
// after the other.
func (p *party) sign() {
	const programs = 6
	for n := range programs {
		c, err := client.New(p.config)
		p.d.must(err)
		p.signers.Go(func() {
			for user := n; ; user = (user + programs) % users {
				select {
				case <-p.stop:
					return
				default:
				}
				if _, err := c.Sign(context.Background(), client.SignRequest{MSISDN: fmt.Sprintf("+4179500%04d", user+1), Text: "Log in?"}); err != nil {
					p.failed <- fmt.Errorf("after %d signatures: %w", p.made.Load(), err)
					return
				}
				p.made.Add(1)
			}
		})
	}
	p.d.t.Cleanup(p.end)
}

// awaitMore waits for so many more signatures.
func (p *party) awaitMore(n int64) {
	p.d.t.Helper()
	for want, deadline := p.made.Load()+n, time.Now().Add(time.Minute); p.made.Load() < want; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-p.failed:
			p.d.t.Fatal(err)
		default:
		}
		if time.Now().After(deadline) {
			p.d.t.Fatalf("%d signatures, not %d", p.made.Load(), want)
		}
	}
}

// end waits for the last signatures, and fails the test if any failed.
func (p *party) end() {
	p.d.t.Helper()
	select {
	case <-p.stop:
		return
	default:
	}
	close(p.stop)
	p.signers.Wait()
	close(p.failed)
	var all []error
	for err := range p.failed {
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil {
		p.d.t.Errorf("of %d signatures, these failed: %v", p.made.Load(), err)
	}
	p.d.t.Logf("%d signatures, %d of them by an App", p.made.Load(), p.byApp.Load())
}
