package config

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/visible"
)

// Validate checks everything and reports every fault at once: the error joins
// a *Problem for each. It reads the files of TLS certificates, and nothing
// else.
func (c *Config) Validate() error { return c.check().err() }

func (c *Config) check() problems {
	var l problems
	c.Service.check(&l)
	c.Listen.check(&l)
	for name, listener := range map[string]Connections{"mss": c.Listen.MSS.Connections, "web": c.Listen.Web.Connections, "pki": c.Listen.PKI.Connections, "ops": c.Listen.Ops.Connections} {
		if listener.ProxyProtocol && len(c.TrustedProxies) == 0 {
			l.add("listen."+name+".connections.proxy_protocol", "needs trusted_proxies: the proxies that send the header")
		}
	}
	for _, p := range c.TrustedProxies {
		if p.Bits() == 0 {
			l.add("trusted_proxies", "%s trusts everybody, so that every client could choose its address", p)
		}
	}
	c.Store.check(&l)
	c.CA.check(&l)
	c.SIM.check(&l)
	c.App.check(&l)
	if _, err := ContactURI(c.PushContact()); err != nil && c.App.VAPID.Contact == "" && c.App.VAPID.PublicKey != "" {
		l.add("app.vapid.contact", "is needed beside public_key: push services refuse a service without an address of its operator, and listen.web.url is no public https address that could stand in")
	}
	c.Limits.check(&l)
	c.Admission.check(&l)
	c.Engine.check(&l)
	c.Retention.check(&l, c.Engine.Skew)
	c.Drain.check(&l)
	if f := c.Log.Format; f != LogText && f != LogJSON {
		l.add("log.format", "unknown format %q; use %s or %s", f, LogText, LogJSON)
	}
	return l
}

func (l *problems) positive(path string, d time.Duration) {
	if d <= 0 {
		l.add(path, "must be longer than 0s")
	}
}

func (l *problems) atLeast(path string, n, least int) {
	if n < least {
		l.add(path, "must be at least %d", least)
	}
}

func (l *problems) between(path string, n, least, most int) {
	if n < least || n > most {
		l.add(path, "must be a number from %d to %d", least, most)
	}
}

func (l *problems) atMost(path, text string, most int) {
	if len(text) > most {
		l.add(path, "must have at most %d characters", most)
	}
}

func (s Service) check(l *problems) {
	const longest = 40 // what fits on the pages
	if n := utf8.RuneCountInString(s.Name); n < 1 || n > longest || strings.ContainsFunc(s.Name, func(r rune) bool { return r < ' ' }) || visible.Check(s.Name) != nil {
		l.add("service.name", "must have 1 to %d printable characters", longest)
	}
	if strings.TrimSpace(s.Name) != s.Name { // it is also the name of the service's own party
		l.add("service.name", "must not begin or end with a space")
	}
	if u, err := url.Parse(s.MSSPURI); err != nil || u.Scheme == "" {
		l.add("service.mssp_uri", "is needed: a URI that names the service in its answers, such as http://mss.example.com/")
	}
	if s.Country != "" && phonenumbers.GetCountryCodeForRegion(s.Country) == 0 {
		l.add("service.country", "must be a country in two capital letters (ISO 3166-1), such as CH")
	}
	if s.AuthURI != "" && !strings.HasPrefix(s.AuthURI, "/") && !policy.Openable(s.AuthURI) {
		l.add("service.auth_uri", "must be a URI that opens an app or a page, such as mobileid://auth, or the path of a page that begins with /")
	}
}

func (c Listen) check(l *problems) {
	l.address("listen.mss.address", c.MSS.Address, true)
	l.address("listen.web.address", c.Web.Address, true)
	l.address("listen.pki.address", c.PKI.Address, true)
	l.address("listen.ops.address", c.Ops.Address, false)
	c.MSS.Connections.check(l, "listen.mss.connections")
	c.MSS.ClientCert.check(l, c.MSS.Connections)
	l.between("listen.mss.streams", c.MSS.Streams, leastStreams, mostStreams)
	c.Web.Connections.check(l, "listen.web.connections")
	c.PKI.Connections.check(l, "listen.pki.connections")
	c.Ops.Connections.check(l, "listen.ops.connections")
	if c.MSS.TLS.IsZero() {
		l.add("listen.mss.tls.certificate_file", "is needed, with key_file: application providers connect over TLS")
	} else {
		c.MSS.TLS.check(l, "listen.mss.tls")
	}
	switch {
	case !c.Web.TLS.IsZero():
		c.Web.TLS.check(l, "listen.web.tls")
	case c.Web.Address != "" && !c.Web.Address.loopback():
		l.add("listen.web.tls.certificate_file", "the pages would be served without TLS at %s: give them a certificate, or an address on loopback", c.Web.Address)
	}
	for path, hosts := range map[string][]Host{"listen.host": {c.Host}, "listen.web.hosts": c.Web.Hosts} {
		for _, h := range hosts {
			if err := h.valid(); err != nil {
				l.add(path, "%v", err)
			}
		}
	}
	l.origin("listen.mss.url", c.MSS.URL)
	if strings.HasPrefix(string(c.MSS.URL), "http:") {
		l.add("listen.mss.url", "must begin with https: application providers connect over TLS")
	}
	l.origin("listen.web.url", c.Web.URL)
	c.checkSuites(l)
	l.url("listen.pki.url", c.PKI.URL)
	if strings.HasPrefix(string(c.PKI.URL), "https:") {
		l.add("listen.pki.url", "must begin with http: to fetch a CRL in order to check a certificate, a client must not have to check another first")
	}
}

func (l *problems) address(path string, a Address, needed bool) {
	if err := a.valid(); err != nil {
		l.add(path, "%v", err)
	} else if a == "" && needed {
		l.add(path, "is needed: host:port to listen on")
	}
}

func (l *problems) url(path string, u URL) {
	if err := u.valid(); err != nil {
		l.add(path, "%v", err)
	}
}

func (l *problems) origin(path string, u URL) {
	l.url(path, u)
	if p, err := url.Parse(string(u)); err == nil && p.Path != "" {
		l.add(path, "must be an origin, without a path")
	}
}

func (k KeyPair) check(l *problems, path string) {
	switch {
	case k.CertificateFile == "":
		l.add(path+".certificate_file", "is needed beside key_file")
	case k.KeyFile == "":
		l.add(path+".key_file", "is needed beside certificate_file")
	default:
		if _, err := k.Load(); err != nil {
			*l = append(*l, &Problem{Path: path + ".certificate_file", Text: fmt.Sprintf("cannot load the TLS certificate and its key: %v", err), Err: err})
		}
	}
}

func (s Store) check(l *problems) {
	url := s.URL.Reveal()
	scheme, _, ok := strings.Cut(url, ":")
	switch {
	case url == "":
		l.add("store.url", "is needed: sqlite:PATH or postgres://…")
	case !ok:
		l.add("store.url", "must be sqlite:PATH or postgres://…; a file needs sqlite: before its name")
	case scheme != "sqlite" && scheme != "postgres" && scheme != "postgresql":
		l.add("store.url", "unknown database %q; use sqlite:PATH or postgres://…", scheme)
	}
}

// Shared reports whether other nodes can use the same database.
func (s Store) Shared() bool { return strings.HasPrefix(s.URL.Reveal(), "postgres") }

func (c CA) check(l *problems) {
	if c.Directory == "" {
		l.add("ca.directory", "is needed: the directory with the keys and certificates of the CA")
	}
	if c.Profile != ProfileECDSA && c.Profile != ProfileRSAPSS {
		l.add("ca.profile", "unknown profile %q; use %s or %s", c.Profile, ProfileECDSA, ProfileRSAPSS)
	}
	for path, name := range map[string]string{"root_name": c.RootName, "issuing_name": c.IssuingName, "organization": c.Organization} {
		if c.Create && name == "" {
			l.add("ca."+path, "is needed to create a CA")
		}
	}
}

func (s SIM) check(l *problems) {
	s.checkSMSCs(l)
	s.checkProfiles(l)
	s.HomeNetwork.check(l)
	if n := len(s.ServiceNumber); s.ServiceNumber != "" && (n > 15 || !digits(s.ServiceNumber)) {
		l.add("sim.service_number", "must be 1 to 15 digits, E.164 without the leading +")
	}
	if len(s.SMSCs) > 0 && s.ServiceNumber == "" {
		l.add("sim.service_number", "is needed with an SMSC: messages come from it, and cards answer to it")
	}
	switch _, err := s.MasterKeyBytes(); {
	case err != nil:
		l.add("sim.master_key", "must be 64 hexadecimal digits; make one with: openssl rand -hex 32")
	case s.MasterKey.IsZero() && len(s.SMSCs) > 0:
		l.add("sim.master_key", "is needed with an SMSC: it protects the keys of the cards; make one with: openssl rand -hex 32")
	}
	r := s.Retry
	l.atLeast("sim.retry.attempts", r.Attempts, 1)
	l.atLeast("sim.retry.absent", r.Absent, 1)
	l.positive("sim.retry.backoff", r.Backoff)
	l.positive("sim.retry.silence", r.Silence)
	l.positive("sim.retry.patience", r.Patience)
	l.positive("sim.retry.margin", r.Margin)
	l.atLeast("sim.max_open", s.MaxOpen, 1)
	l.positive("sim.unbound_limit", s.UnboundLimit)
	for _, a := range []struct {
		key   string
		value int
	}{{"step", s.Advance.Step}, {"daily", s.Advance.Daily}} {
		if a.value < 1 || a.value > maxAdvance {
			l.add("sim.advance."+a.key, "must be 1 to %d", maxAdvance)
		}
	}
	if r.MaxBackoff < r.Backoff {
		l.add("sim.retry.max_backoff", "must be at least sim.retry.backoff, %s", r.Backoff)
	}
}

// maxAdvance leaves a card counters for 1,024 days, if somebody provokes the most
// moves each day: they end at 2^40.
const maxAdvance = 1 << 30

// masterKeySize is that of AES-256, in octets.
const masterKeySize = 32

// MasterKeyBytes decodes MasterKey; nil if there is none. The error does not
// contain the key.
func (s SIM) MasterKeyBytes() ([]byte, error) {
	if s.MasterKey.IsZero() {
		return nil, nil
	}
	key, err := hex.DecodeString(s.MasterKey.Reveal())
	if err != nil || len(key) != masterKeySize {
		return nil, &Problem{Path: "sim.master_key", Text: "is not 64 hexadecimal digits"}
	}
	return key, nil
}

func (n HomeNetwork) check(l *problems) {
	if n.MCC == "" && n.MNC == "" {
		return
	}
	if len(n.MCC) != 3 || !digits(n.MCC) {
		l.add("sim.home_network.mcc", "must be 3 digits")
	}
	if len(n.MNC) < 2 || len(n.MNC) > 3 || !digits(n.MNC) {
		l.add("sim.home_network.mnc", "must be 2 or 3 digits")
	}
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func (a App) check(l *problems) {
	if a.VAPID.PublicKey != "" && a.VAPID.PrivateKey.IsZero() {
		l.add("app.vapid.private_key", "is needed beside public_key")
	}
	if a.VAPID.PublicKey == "" && !a.VAPID.PrivateKey.IsZero() {
		l.add("app.vapid.public_key", "is needed beside private_key")
	}
	if a.VAPID.Contact != "" {
		if _, err := ContactURI(a.VAPID.Contact); err != nil {
			l.add("app.vapid.contact", "%v", err)
		}
	}
	for path, r := range map[string]Rate{
		"begin": a.Limits.Begin, "address": a.Limits.Address, "device": a.Limits.Device, "subscriber": a.Limits.Subscriber,
	} {
		r.check(l, "app.limits."+path)
	}
	l.atLeast("app.max_open", a.MaxOpen, 1)
	l.atLeast("app.max_connections", a.MaxConnections, 1)
	l.atLeast("app.max_per_account", a.MaxPerAccount, 1)
}

// longestMinTimeout is the shortest default of a method: a request may always name that.
const longestMinTimeout = 40 * time.Second

func (e Engine) check(l *problems) {
	l.positive("engine.skew", e.Skew)
	l.positive("engine.sweep", e.Sweep)
	l.positive("engine.poll", e.Poll)
	if t := e.MinTimeout; t < time.Second || t > longestMinTimeout || t%time.Second != 0 {
		l.add("engine.min_timeout", "must be a whole number of seconds from 1s to %s", longestMinTimeout)
	}
}

func (r Retention) check(l *problems, skew time.Duration) {
	if r.Outcomes < 2*skew {
		l.add("retention.outcomes", "must be at least twice engine.skew, %s: a repeated request is refused for its age only when the first is forgotten", 2*skew)
	}
	if r.Evidence < r.Outcomes {
		l.add("retention.evidence", "must be at least retention.outcomes, %s: an outcome is read from the evidence", r.Outcomes)
	}
	if r.Devices < 0 {
		l.add("retention.devices", "must not be negative; 0s keeps them")
	}
	if r.Certificates != 0 && r.Certificates < r.Evidence {
		l.add("retention.certificates", "must be 0s, which keeps them, or at least retention.evidence, %s, which needs them", r.Evidence)
	}
}
