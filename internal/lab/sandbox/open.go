package sandbox

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/durable"
	"github.com/signum-mssp/signum/internal/edge"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handsetpage"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/lab/worlds"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/node"
	"github.com/signum-mssp/signum/internal/partydoc"
)

// Open prepares the directory and binds the addresses. The caller must call Close, even
// without Run.
func Open(ctx context.Context, cfg Config) (*Sandbox, error) {
	cfg = cfg.withDefaults()
	kept, err := readKept(cfg.Dir, cfg.Logger) // before anything is made
	if err != nil {
		return nil, err
	}
	asked, err := askedFor(cfg.Scenario)
	if err != nil {
		return nil, err
	}
	users, err := firstUsers(slices.Concat(kept.Users, asked.Users), cfg.Users)
	if err != nil {
		return nil, err
	}
	if id := twice(cfg.Parties); id != "" {
		return nil, &OptionError{"Parties", fmt.Errorf("%s: given twice", id)}
	}
	b := &Sandbox{cfg: cfg, ready: make(chan struct{})}
	b.Info.Users, b.Info.Patterns = describeUsers(users)
	parties := world.Overlay(builtinParties(), slices.Concat(kept.Parties, asked.Parties, cfg.Parties)...)
	for _, step := range []func(context.Context) error{
		b.judge, b.openDir, b.openToken,
		func(context.Context) error { return b.openWorld(users, parties) },
		b.openNode, b.openApps, b.openParties, b.openWorlds, b.openControl, b.openPages,
		func(ctx context.Context) error { return b.Populate(ctx) },
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

// files are the keys and certificates of the directory.
type files struct {
	serverCA *x509.Certificate
	parties  []pair // as clientCerts
}

// pins are those of the client certificates.
func (f *files) pins() (pins []mssp.Pin) {
	for _, p := range f.parties {
		pins = append(pins, mssp.PinOf(p.cert.Raw))
	}
	return pins
}

func (b *Sandbox) openDir(context.Context) (err error) {
	b.Dir = b.cfg.Dir
	if b.Dir == "" {
		b.Dir, err = os.MkdirTemp("", "signum-sandbox-")
	} else {
		b.Dir, err = filepath.Abs(b.Dir)
	}
	if err != nil {
		return err
	}
	before, err := look(b.Dir, b.cfg.Dir == "")
	if err != nil {
		return err
	}
	if err := prepareDir(b.Dir); err != nil {
		before.forget()
		return err
	}
	// Two processes would serve the same phones with different PIN counters.
	lock, err := durable.Lock(filepath.Join(b.Dir, privateDir, "lock"))
	if err != nil {
		before.forget()
		if errors.Is(err, durable.ErrLocked) {
			err = fmt.Errorf("%s is in use by another sandbox", b.Dir)
		}
		return err
	}
	b.onClose(lock.Close)
	b.onClose(func() error { return b.unlessReady(func() error { return b.undo(before) }) }) // while it is locked
	if err := b.checkLost(); err != nil {
		return err
	}
	if b.files.serverCA, err = serverPair(b.Dir, b.reach.certified...); err != nil {
		return err
	}
	b.pairs = sync.OnceValues(func() (pairs []pair, err error) {
		defer event.RescueTo(&err, b.cfg.Logger, "keys of the parties")
		return apPairs(b.Dir)
	})
	go func() { // now, because an RSA key takes longer than all the rest
		defer event.Rescue(b.cfg.Logger, "keys of the parties")
		_, _ = b.pairs()
	}()
	b.onClose(func() error { _, _ = b.pairs(); return nil }) // before the directory is undone
	return nil
}

// openParties waits for the keys of the parties.
func (b *Sandbox) openParties(context.Context) (err error) {
	b.files.parties, err = b.pairs()
	return err
}

// undo removes what the start has made, unless a database elsewhere belongs to it now.
func (b *Sandbox) undo(before *footprint) error {
	if b.Node != nil && b.cfg.Store != "" && b.cfg.Dir != "" {
		return nil
	}
	return before.undo()
}

// unlessReady does something if the sandbox never was ready.
func (b *Sandbox) unlessReady(do func() error) error {
	if b.isReady() {
		return nil
	}
	return do()
}

// openWorld makes the world of the directory, with the network that carries the messages of
// its handsets.
func (b *Sandbox) openWorld(users []scenario.User, parties []partydoc.Party) (err error) {
	cards := b.cfg.Cards
	if cards == nil {
		dir, err := card.OpenDir(filepath.Join(b.Dir, privateDir, cardsDir))
		if err != nil {
			return err
		}
		b.onClose(dir.Close)
		cards = dir
	}
	image, err := logo()
	if err != nil {
		return fmt.Errorf("the logo of the parties: %w", err)
	}
	builtin := make([]string, 0, len(users))
	for _, u := range Users() {
		builtin = append(builtin, u.MSISDN)
	}
	b.World = world.New(world.Config{
		Clock: b.cfg.Clock, Logger: b.cfg.Logger, Users: users, Builtin: builtin, Parties: parties, Fixed: []string{APID, BasicAPID, OpenAPID},
		SharedPins: b.files.pins, Logo: image, WebPhones: b.cfg.WebPhones, PhoneDelay: b.cfg.PhoneDelay,
		Behaviours: b.cfg.Behaviours, Places: b.cfg.Places, Observe: b.cfg.Observe, Cards: cards,
		Changed: b.publish, Ready: b.ready, CardLost: fmt.Sprintf(" in %s; %s", filepath.Join(privateDir, cardsDir), startOver),
	})
	b.onClose(func() error { b.World.Close(); return nil })
	b.radio, err = newRadio(b.cfg, b.Handsets)
	if err == nil {
		b.onClose(b.radio.close)
	}
	return err
}

func (b *Sandbox) openNode(ctx context.Context) error {
	c, err := b.nodeConfig()
	if err != nil {
		return err
	}
	b.Node, err = node.New(ctx, c, node.Deps{
		Clock: b.cfg.Clock, Logger: b.cfg.Logger, Version: b.cfg.Version, Locator: b.Locate,
		WrapMSS: b.cfg.Wrap, WrapSIMs: b.wrapSIMs, WrapApps: b.WrapApps, WrapAnswers: b.WrapAnswers, WrapStore: b.WrapStore, BeforeCommit: b.cfg.BeforeCommit, Alone: true, CardAssigned: b.CardAssigned,
		Silent: b.Silent, WrapService: func(next edge.Service) edge.Service { return worlds.NewRouter(b.worlds.Load, next) },
	})
	if err != nil {
		return options(b.checkDatabase(err))
	}
	b.onClose(b.Node.Close)
	b.Connect(world.Service{
		Store: b.Store, CA: b.CA, Apps: b.Apps, Cards: b.Cards, KeyRing: b.KeyRing, Answers: b.Answers(), Inbox: b.Inbox(), PKIURL: b.PKIURL(), WebURL: b.WebURL(),
	})
	first, err := b.GetParty(APID)
	if err != nil {
		return err
	}
	b.Info = Info{
		local:   "https://" + b.MSSAddr(),
		BaseURL: b.MSSURL(), PKIURL: b.PKIURL(), WebURL: b.WebURL(), OpsURL: b.OpsURL(),
		APID: APID, BasicAPID: BasicAPID, DTBDPrefix: first.Prefix, Token: b.token, Users: b.Info.Users, Patterns: b.Info.Patterns,
	}
	return nil
}

// wrapSIMs puts the decorator of the Config, if there is one, before the world.
func (b *Sandbox) wrapSIMs(next mssp.Channel, answers mssp.AnswerHandler) mssp.Channel {
	next = b.World.WrapSIMs(next, answers)
	if b.cfg.WrapSIMs != nil {
		next = b.cfg.WrapSIMs(next, answers)
	}
	return next
}

// msspURI is the identity of the service in its answers.
const msspURI = "mid://signum/sandbox"

// nodeConfig returns the configuration that an operator would write to a file.
func (b *Sandbox) nodeConfig() (c config.Config, err error) {
	c = b.settings(pkiAddr(b.cfg, b.Dir, b.reach.listen), webAddr(b.cfg, b.Dir, b.reach.listen))
	smsc, absent, err := b.radio.smscConfig(b.cfg.SMSC)
	if err != nil {
		return c, &OptionError{"SMSC", err}
	}
	c.SIM.SMSCs, c.SIM.Retry.Absent = []config.SMSC{smsc}, absent
	key, err := masterKey(b.Dir)
	if err != nil {
		return c, err
	}
	c.SIM.MasterKey = config.NewSecret(hex.EncodeToString(key))
	if c.App.VAPID, err = vapid(b.Dir); err != nil {
		return c, fmt.Errorf("keys for push services: %w", err)
	}
	return c, nil
}

// settings returns that part of nodeConfig which needs no file of the directory.
func (b *Sandbox) settings(pkiAddr, webAddr string) (c config.Config) {
	private := filepath.Join(b.Dir, privateDir)
	keyPair := config.KeyPair{CertificateFile: filepath.Join(private, serverCertFile), KeyFile: filepath.Join(private, serverKeyFile)}
	c = config.Default()
	c.Service.MSSPURI = msspURI
	c.Service.Country = "CH" // of its numbers
	c.Service.AuthURI = b.cfg.AuthURI
	if b.cfg.WebPhones && c.Service.AuthURI == "" {
		c.Service.AuthURI = phonePath
	}
	_, port, _ := net.SplitHostPort(b.cfg.Addr) // newReach has checked it
	c.Listen.Host = config.Host(b.reach.public)
	c.Listen.MSS.Address, c.Listen.MSS.TLS = config.Address(net.JoinHostPort(b.reach.listen, port)), keyPair
	c.Listen.PKI.Address, c.Listen.PKI.URL = config.Address(pkiAddr), config.URL(b.cfg.PublicURL)
	c.Listen.Web.Address, c.Listen.Web.URL = config.Address(webAddr), config.URL(b.cfg.WebURL)
	c.Listen.Web.Hosts = b.reach.webHosts()
	// A developer's name may serve something else over http tomorrow.
	c.Listen.Web.HTTPSOnly = false
	if !b.reach.local() {
		c.Listen.Web.TLS = keyPair
	}
	c.Listen.Ops.Address = config.Address(cmp.Or(b.cfg.OpsAddr, "127.0.0.1:0"))
	c.Listen.Exempt = loopback // the phones and the developer's load tests are there
	c.Store.URL = config.NewSecret(cmp.Or(b.cfg.Store, "sqlite:"+filepath.Join(private, databaseFile)))
	c.Store.Migrate = true
	c.CA = config.CA{
		Directory: filepath.Join(private, caDir), Create: true, Profile: cmp.Or(b.cfg.CAProfile, config.ProfileECDSA),
		RootName: "Signum sandbox root CA", IssuingName: "Signum sandbox issuing CA", Organization: "Signum sandbox", Test: true,
	}
	c.SIM.ServiceNumber = serviceCode
	c.SIM.HomeNetwork = config.HomeNetwork(world.HomeNetwork)
	c.App.Limits = config.AppLimits{Begin: noLimit, Address: noLimit, Device: noLimit, Subscriber: noLimit}
	c.Limits = friendly(c.Limits)
	c.Drain = config.Drain{} // Ctrl-C ends a sandbox at once
	c.Engine.MinTimeout = cmp.Or(b.cfg.MinTimeout, c.Engine.MinTimeout)
	return c
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func (b *Sandbox) openApps(ctx context.Context) error {
	apps, err := b.softApps(ctx)
	if err != nil {
		return err
	}
	b.onClose(func() error { apps.Close(); return nil }) // before the node
	b.ConnectApps(apps)
	return nil
}

// handsetPath is the page on which a person is the user of a SIM.
const handsetPath = "/phone/sim"

// openPages adds the page of the handsets, which only a sandbox has.
func (b *Sandbox) openPages(context.Context) error {
	page := handsetpage.New(handsetpage.Config{Handsets: b.PageHandsets(), ServiceName: b.ServiceName(), Logger: b.cfg.Logger})
	b.onClose(page.Close)
	b.HandleWeb(handsetPath, page.Handler())
	b.HandleWeb(handsetPath+"/", page.Handler())
	return nil
}

// writeFiles writes the files of the directory that describe the sandbox, sandbox.json as
// the last of all.
func (b *Sandbox) writeFiles() error {
	root, issuing := b.CA.Root(), b.CA.Issuing()
	for name, certs := range map[string][]*x509.Certificate{
		UserCAFile: {root}, IssuingCAFile: {issuing}, UserCAChainFile: {root, issuing},
	} {
		if err := writeCerts(b.Path(name), certs...); err != nil {
			return err
		}
	}
	if err := writeP12(b.Dir, b.files.parties, b.files.serverCA, root, issuing); err != nil {
		return err
	}
	return b.publish()
}
