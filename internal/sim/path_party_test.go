package sim_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/mssp"
)

// parties are the callers.
var parties = []struct {
	id  string
	pin mssp.Pin
}{{"mid://bank", mssp.Pin{1}}, {"mid://shop", mssp.Pin{2}}, {"mid://state", mssp.Pin{3}}}

func (p *path) addParties() {
	p.t.Helper()
	n := p.enter()
	defer n.leave()
	for _, ap := range parties {
		if err := n.store.PutParty(context.Background(), &mssp.Party{
			ID: ap.id, Pins: []mssp.Pin{ap.pin}, Profiles: signum.SignatureProfiles, AuthProfile1: signum.ProfileAnyLoA4, DefaultLang: "en",
			AutoActivation: true, Services: []string{signum.ServiceGeofencing, signum.ServiceValidate, signum.ServiceSubscriberInfo},
		}); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *path) header(ap int, transID string) signum.Header {
	return signum.Header{AP: signum.APInfo{ID: parties[ap].id, TransID: transID, Instant: signum.FormatInstant(time.Now())}}
}

// call is one request of a party, and what it was told.
type call struct {
	u       *user
	ap      int
	transID string // AP_TransID
	async   bool
	profile string
	text    string
	timeout string
	locate  bool

	id   string      // MSSP_TransID, if it was told
	told signum.Code // 0: no answer, because the service stopped

	asked, answered time.Time // first call
}

// sign requests a signature and waits for the outcome; if the call is asynchronous, it
// polls. The error says what is wrong with an answer.
func (p *path) sign(c *call, poll time.Duration) error {
	c.transID = p.transID()
	r := &signum.SignatureRequest{
		Header: p.header(c.ap, c.transID), MessagingMode: signum.Synch, MSISDN: strings.TrimPrefix(c.u.MSISDN, "+"), Profile: c.profile,
		TimeOut: c.timeout, Data: signum.DataToBeSigned{Data: c.text},
	}
	if c.async {
		r.MessagingMode = signum.AsynchClientServer
	}
	if c.locate {
		r.Services = []signum.AdditionalService{{URI: signum.ServiceGeofencing}}
	}
	n := p.enter()
	c.asked = time.Now()
	r.AP.Instant = signum.FormatInstant(time.Now()) // it may have waited
	resp, err := n.engine.Sign(n.requests, &mssp.Caller{Pin: parties[c.ap].pin}, r)
	n.leave()
	c.answered = time.Now()
	switch {
	case err != nil:
		return c.failed(err)
	case !c.async:
		c.id, c.told = resp.TransID, resp.Status
		return p.check(c, resp.Signature, resp.Services)
	case resp.Status != signum.RequestOK || resp.Signature != nil:
		return fmt.Errorf("asynchronous answer %+v", resp)
	}
	c.id = resp.TransID
	return p.await(c, poll)
}

func (c *call) failed(err error) error {
	if f := signum.AsFault(err); f != nil {
		c.told = f.Code
		return nil
	}
	if err == errStopping {
		return nil
	}
	return fmt.Errorf("neither answer nor fault: %w", err)
}

// await polls until there is an outcome.
func (p *path) await(c *call, poll time.Duration) error {
	for {
		time.Sleep(poll)
		st, signature, services, err := p.status(c)
		if err != nil {
			return err
		}
		if st != signum.OutstandingTransact {
			c.told = st
			return p.check(c, signature, services)
		}
	}
}

// status makes a status query.
func (p *path) status(c *call) (st signum.Code, signature []byte, services []signum.ServiceResponse, err error) {
	n := p.enter()
	defer n.leave()
	resp, err := n.engine.Status(context.Background(), &mssp.Caller{Pin: parties[c.ap].pin},
		&signum.StatusRequest{Header: p.header(c.ap, p.transID()), TransID: c.id})
	if err == nil {
		return resp.Status, resp.Signature, resp.Services, nil
	}
	if f := signum.AsFault(err); f != nil {
		return f.Code, nil, nil, nil
	}
	return 0, nil, nil, err
}

// check verifies a signature as a party would.
func (p *path) check(c *call, signature []byte, services []signum.ServiceResponse) error {
	if c.told != signum.SignatureMade {
		if signature != nil {
			return fmt.Errorf("%d with a signature", c.told)
		}
		return nil
	}
	sd, err := cms.Parse(signature)
	if err != nil {
		return err
	}
	got, err := p.verify(c.u, sd)
	switch {
	case err != nil:
		return err
	case string(got.Content) != c.text:
		return fmt.Errorf("signed is %q, asked was %q", got.Content, c.text)
	case got.Serial != c.u.Serial:
		return fmt.Errorf("signed by %s, asked was %s", got.Serial, c.u.Serial)
	case c.locate && (len(services) != 1 || services[0].Geofencing == nil):
		return fmt.Errorf("located: %+v", services)
	}
	return nil
}

// verify builds the chain up to the root only for the first signature with a
// certificate: the root's P-384 key costs more than everything else under the race
// detector.
func (p *path) verify(u *user, sd *cms.SignedData) (*cms.Result, error) {
	if known := u.certificate.Load(); known != nil {
		if got, err := sd.Verify(cms.VerifyOptions{Roots: known}); err == nil {
			return got, nil
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(p.authority.Root())
	got, err := sd.Verify(cms.VerifyOptions{Roots: roots})
	if err == nil {
		known := x509.NewCertPool()
		known.AddCert(got.Certificate)
		u.certificate.Store(known)
	}
	return got, err
}

// receipt sends a receipt for a signature and waits for the user.
func (p *path) receipt(c *call, text string) (*signum.ReceiptResponse, error) {
	n := p.enter()
	defer n.leave()
	return n.engine.Receipt(n.requests, &mssp.Caller{Pin: parties[c.ap].pin}, &signum.ReceiptRequest{
		Header: p.header(c.ap, p.transID()), TransID: c.id, MSISDN: strings.TrimPrefix(c.u.MSISDN, "+"),
		Message: signum.DataToBeSigned{Data: text}, Extension: &signum.ReceiptRequestExtension{MessagingMode: signum.Synch, UserAck: "true"},
	})
}
