package world

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/mssp"
)

// renewBefore: a certificate that expires within this time is replaced at start.
const renewBefore = 30 * 24 * time.Hour

// Populate creates the parties, and accounts and SIM cards that do not exist yet. It
// runs before the service does, which hands over what an earlier run left outstanding.
func (w *World) Populate(ctx context.Context) error {
	if err := w.addParties(ctx); err != nil || w.cfg.Lazy {
		return err
	}
	for i, err := range w.eachUser(func(u scenario.User) error { return w.prepareUser(ctx, u) }) {
		u := w.roster.all()[i]
		if err != nil {
			err = w.withoutCard(u.MSISDN, err)
		}
		if err != nil {
			return fmt.Errorf("user %s: %w", u.MSISDN, err)
		}
	}
	if err := w.placeCards(ctx); err != nil {
		return err
	}
	if err := w.anyCard(); err != nil {
		return err
	}
	for msisdn, behaviour := range w.cfg.Behaviours {
		w.wishes = append(w.wishes, wish{"Behaviours", msisdn, func() error { return w.behave(msisdn, behaviour) }})
	}
	for msisdn, place := range w.cfg.Places {
		w.wishes = append(w.wishes, wish{"Places", msisdn, func() error { return w.place(msisdn, place) }})
	}
	// What an earlier run left outstanding is handed over before the Apps are enrolled,
	// which is when all phones are known.
	return w.fulfil(func(wish) error { return nil })
}

// eachUser does something for several users at a time, because keys take time and the
// store writes together what comes together. The errors are in the order of the users.
func (w *World) eachUser(do func(scenario.User) error) []error {
	users := w.roster.all()
	errs := make([]error, len(users))
	var g errgroup.Group
	g.SetLimit(usersAtOnce)
	for i, u := range users {
		g.Go(func() error {
			defer event.RescueTo(&errs[i], w.cfg.Logger, "user of the sandbox")
			errs[i] = do(u)
			return nil
		})
	}
	_ = g.Wait()
	return errs
}

const usersAtOnce = 8

// prepareUser makes account and SIM of a user, or puts the SIM of an earlier run into its
// handset. What needs the node is left to completeUser.
func (w *World) prepareUser(ctx context.Context, u scenario.User) error {
	if u.IsPattern() || u.State == scenario.NoAccount {
		return nil
	}
	s, err := w.account(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	if s == nil {
		w.fresh.Store(u.MSISDN, true)
	}
	return w.addAccount(ctx, u)
}

// completeUser gives a user the App, and a new one the state, the place and the behaviour.
// An account of an earlier run stays in the state in which it is.
func (w *World) completeUser(ctx context.Context, u scenario.User) error {
	if u.IsPattern() {
		return nil
	}
	ctx, done, err := w.roster.take(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	defer done()
	state := WithDefaults(u).State
	_, fresh := w.fresh.Load(u.MSISDN)
	switch {
	case state == scenario.NoAccount, fresh && state != scenario.Active && state != scenario.Registered:
		return w.realise(ctx, u, everything)
	case state == scenario.Active:
		if err := w.addAppOf(ctx, u); err != nil {
			return err
		}
	}
	return w.settle(u, change{place: u.Location != "", behaviour: u.Behaviour != ""}, false)
}

// wish is a setting of a phone that the developer asked for.
type wish struct {
	option string // member of Config
	msisdn string
	do     func() error
}

// fulfil applies the wishes to the phones that exist. unknown decides on a wish for a
// number that has none of them.
func (w *World) fulfil(unknown func(wish) error) error {
	for _, h := range w.wishes {
		err := h.do()
		if errors.Is(err, person.ErrUnknown) {
			err = unknown(h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Complete enrols the missing Apps of users, or removes those of an earlier run if
// persons are the Apps. The service must run, because Apps enrol by their protocol. What the
// users are then is what Reset restores.
func (w *World) Complete(ctx context.Context) error {
	if w.cfg.Lazy {
		w.initial = w.roster.all()
		return nil
	}
	if w.cfg.WebPhones {
		if err := w.retireApps(ctx); err != nil {
			return err
		}
	}
	for i, err := range w.eachUser(func(u scenario.User) error { return w.completeUser(ctx, u) }) {
		if err != nil {
			return fmt.Errorf("user %s: %w", w.roster.all()[i].MSISDN, err)
		}
	}
	if err := w.fulfil(func(h wish) error { return &NoPhoneError{h.option, h.msisdn} }); err != nil {
		return err
	}
	w.initial = w.roster.all()
	return nil
}

// NoPhoneError means that no phone answers by itself that has the number of a member of
// Config.
type NoPhoneError struct{ Member, MSISDN string }

func (e *NoPhoneError) Error() string {
	return fmt.Sprintf("%s: %s: no phone that answers by itself has this number", e.Member, e.MSISDN)
}

func (w *World) addAppOf(ctx context.Context, u scenario.User) error {
	if w.cfg.WebPhones || !slices.Contains(WithDefaults(u).Methods, signum.App) {
		return nil
	}
	return w.addApp(ctx, u.MSISDN)
}

// AddUser makes an account with a phone for each of its methods, or completes
// the existing one. An App has an EC key, whatever the user's KeyType. The
// service must run.
func (w *World) AddUser(ctx context.Context, u scenario.User) error {
	if err := w.addAccount(ctx, u); err != nil {
		return err
	}
	return w.addAppOf(ctx, u)
}

// addAccount makes an account with its SIM card, or completes the existing one.
func (w *World) addAccount(ctx context.Context, u scenario.User) error {
	u = WithDefaults(u)
	s, err := w.service.Store.Subscriber(ctx, u.MSISDN)
	if errors.Is(err, mssp.ErrNotFound) {
		s, err = newAccount(u), nil
		// The account stands before its certificates, which name its devices.
		err = w.service.Store.PutSubscriber(ctx, s)
	}
	if err != nil {
		return err
	}
	if err := w.addMissingSIM(ctx, s, u); err != nil {
		return err
	}
	if u.State != scenario.Active && u.State != scenario.Registered {
		return w.insertCards(ctx, s) // which must not repair the state
	}
	old, err := w.oldApps(ctx, s)
	if err != nil {
		return err
	}
	completed := make(map[string]mssp.Device)
	for i := range s.Devices {
		d := &s.Devices[i]
		if d.Method == signum.App {
			continue
		}
		fits, err := w.addSIM(ctx, s, d)
		if err != nil {
			return err
		}
		if !fits {
			completed[d.ID] = *d
		}
	}
	if len(old)+len(completed) > 0 {
		// The account may have got another App since it was read, which stays.
		err := w.service.Store.UpdateSubscriber(ctx, u.MSISDN, func(s *mssp.Subscriber) error {
			s.Devices = slices.DeleteFunc(s.Devices, func(d mssp.Device) bool { return slices.Contains(old, d.ID) })
			for i, d := range s.Devices {
				if c, ok := completed[d.ID]; ok {
					s.Devices[i] = c
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// insertCards puts the SIM of an account into its handset as it is.
func (w *World) insertCards(ctx context.Context, s *mssp.Subscriber) error {
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Method == signum.SIM {
			if _, err := w.insertSIM(ctx, s, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// addMissingSIM adds the SIM to an account that has none, because it was made for an App.
func (w *World) addMissingSIM(ctx context.Context, s *mssp.Subscriber, u scenario.User) error {
	isSIM := func(d mssp.Device) bool { return d.Method == signum.SIM }
	i := slices.IndexFunc(newAccount(u).Devices, isSIM)
	if i < 0 || slices.ContainsFunc(s.Devices, isSIM) {
		return nil
	}
	d := newAccount(u).Devices[i]
	s.Devices = append(s.Devices, d)
	return w.service.Store.UpdateSubscriber(ctx, u.MSISDN, func(s *mssp.Subscriber) error {
		s.Devices = append(s.Devices, d)
		return nil
	})
}

// oldApps returns the ids of Apps that were never enrolled. Older versions created such
// devices.
func (w *World) oldApps(ctx context.Context, s *mssp.Subscriber) (ids []string, err error) {
	for _, d := range s.Devices {
		if d.Method != signum.App {
			continue
		}
		_, err := w.service.Store.App(ctx, d.ID)
		if errors.Is(err, mssp.ErrNotFound) {
			ids = append(ids, d.ID)
		} else if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func newAccount(u scenario.User) *mssp.Subscriber {
	s := &mssp.Subscriber{MSISDN: u.MSISDN, Serial: ca.NewSerial(), State: mssp.SubscriberActive}
	for _, m := range u.Methods {
		if m == signum.App {
			continue // Apps enrol later
		}
		d := mssp.Device{ID: newDeviceID(), Method: m, State: signum.DeviceActive, KeyType: u.KeyType}
		if m == signum.SIM {
			d.Network = network(u.Network)
			if u.State == scenario.Registered {
				d.State = signum.DeviceRegistered
			}
		}
		s.Devices = append(s.Devices, d)
	}
	return s
}

func network(mccmnc string) signum.Network {
	for _, n := range []signum.Network{HomeNetwork, OtherNetwork} {
		if mccmnc == n.MCC+n.MNC {
			return n
		}
	}
	if len(mccmnc) < 5 {
		return signum.Network{}
	}
	return signum.Network{MCC: mccmnc[:3], MNC: mccmnc[3:], Name: "Network " + mccmnc}
}

// addSIM puts the card of a device into its user's handset, and completes the
// device: its certificate, its network (databases of older versions have none),
// and whether its PIN is blocked. It reports whether the device was complete
// already.
func (w *World) addSIM(ctx context.Context, s *mssp.Subscriber, d *mssp.Device) (fits bool, err error) {
	p, err := w.insertSIM(ctx, s, d)
	if err != nil {
		return false, err
	}
	fits = true
	if blocked := p.TriesLeft() == 0; d.PINBlocked != blocked {
		d.PINBlocked, fits = blocked, false
	}
	if d.Network == (signum.Network{}) && w.known(s.MSISDN) {
		d.Network, fits = HomeNetwork, false
	}
	if d.State == signum.DeviceRegistered {
		return fits, nil
	}
	key, err := x509.MarshalPKIXPublicKey(p.PublicKey())
	if err != nil {
		return false, err
	}
	if usable(d.Certificate, key) && !w.misaddressed(d) {
		return fits, nil
	}
	d.Certificate, err = w.service.CA.Issue(ctx, s.Serial, d.ID, p.PublicKey())
	return false, err
}

// known reports whether the number belongs to one of the world's own users.
func (w *World) known(msisdn string) bool {
	_, ok := w.roster.find(msisdn)
	return ok
}

// usable reports whether a certificate belongs to the key and is valid for a while.
// A revoked one counts as usable: somebody revoked it on purpose.
func usable(c *mssp.Certificate, key []byte) bool {
	if c == nil || c.State == mssp.CertificateIntended {
		return false
	}
	cert, err := x509.ParseCertificate(c.DER)
	return err == nil && bytes.Equal(cert.RawSubjectPublicKeyInfo, key) && time.Until(c.NotAfter) > renewBefore
}

// newDeviceID returns an id for a SIM. It goes to logs, so it says nothing about the
// user.
func newDeviceID() string { return "sim-" + rand.Text() }

// misaddressed reports whether a certificate names another address of OCSP and CRL than
// that of this run, where nobody answers any more. A revoked one stays: somebody revoked it
// on purpose.
func (w *World) misaddressed(d *mssp.Device) bool {
	c := d.Certificate
	if c == nil || c.State == mssp.CertificateIntended || c.State == mssp.CertificateRevoked {
		return false
	}
	cert, err := x509.ParseCertificate(c.DER)
	base := w.service.PKIURL + "/"
	return err == nil && slices.ContainsFunc(cert.OCSPServer, func(u string) bool { return !strings.HasPrefix(u, base) })
}
