package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// SMSC is a short message service centre, reached by SMPP 3.4.
type SMSC struct {
	Name   string `yaml:"name"`   // in logs, metrics and traces
	Weight int    `yaml:"weight"` // its share of the messages; 0: standby, used only while no other works
	// Cluster is the same for SMSCs that share their message ids: a receipt may come by
	// any of them. Empty: it shares them with no other.
	Cluster string  `yaml:"cluster"`
	Address Address `yaml:"address"` // host:port
	TLS     PeerTLS `yaml:"tls"`

	SystemID     string `yaml:"system_id"` // at most 15 characters
	Password     Secret `yaml:"password"`  // at most 8
	PasswordFile string `yaml:"password_file"`
	SystemType   string `yaml:"system_type"` // at most 12

	// Transceivers, or Transmitters and Receivers where an SMSC keeps the directions
	// apart. None of them: one transceiver.
	Transceivers    int           `yaml:"transceivers"`
	Transmitters    int           `yaml:"transmitters"`
	Receivers       int           `yaml:"receivers"`
	Window          int           `yaml:"window"` // unanswered messages of each session
	Rate            int           `yaml:"rate"`   // messages a second on each session; 0: as many as the window allows
	EnquireLink     time.Duration `yaml:"enquire_link"`
	ResponseTimeout time.Duration `yaml:"response_timeout"`
	DialTimeout     time.Duration `yaml:"dial_timeout"`

	ServiceType string        `yaml:"service_type"` // at most 5 characters
	Source      Sender        `yaml:"source"`       // of requests to cards; empty: the service number
	TextSource  Sender        `yaml:"text_source"`  // of text messages; empty: Source
	Destination Numbering     `yaml:"destination"`  // of the numbers of phones
	Alphabet    Alphabet      `yaml:"alphabet"`     // of data_coding 0
	Validity    time.Duration `yaml:"validity"`     // the longest validity period; 0: as long as a message is useful
	Mode        Mode          `yaml:"mode"`         // of requests to cards
	Receipts    bool          `yaml:"receipts"`     // ask for delivery receipts
}

// DefaultSMSC is an SMSC with the defaults.
func DefaultSMSC() (s SMSC) {
	s.setDefaults()
	return s
}

func (s *SMSC) setDefaults() {
	*s = SMSC{
		Weight: 1, Window: 10,
		EnquireLink: 30 * time.Second, ResponseTimeout: 10 * time.Second, DialTimeout: 10 * time.Second,
		Alphabet: AlphabetGSM, Mode: ModeTransaction, Receipts: true,
	}
}

// PeerTLS is how to connect to a peer with TLS.
type PeerTLS struct {
	Enabled bool   `yaml:"enabled"`
	CAFile  string `yaml:"ca_file"` // PEM: who may sign the peer's certificate; empty: whom the machine trusts
	// CertificateFile and KeyFile identify this service to the peer.
	CertificateFile string `yaml:"certificate_file"`
	KeyFile         string `yaml:"key_file"`
	ServerName      string `yaml:"server_name"` // in the peer's certificate; empty: the host of its address
}

// Config reads the files; nil without TLS.
func (t PeerTLS) Config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: holds no certificate in PEM", t.CAFile)
		}
	}
	if pair := t.keyPair(); !pair.IsZero() {
		own, err := pair.Load()
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}

func (t PeerTLS) keyPair() KeyPair { return KeyPair{t.CertificateFile, t.KeyFile} }

func (t PeerTLS) check(l *problems, path string) {
	if !t.Enabled {
		if t != (PeerTLS{}) {
			l.add(path+".enabled", "must be true, or the other keys of tls have no effect")
		}
		return
	}
	if pair := t.keyPair(); !pair.IsZero() {
		pair.check(l, path)
	}
	t.CertificateFile, t.KeyFile = "", "" // they have been checked
	if _, err := t.Config(); err != nil {
		*l = append(*l, &Problem{Path: path + ".ca_file", Text: fmt.Sprintf("cannot load the certificates of the CA: %v", err), Err: err})
	}
}

func (s SIM) checkSMSCs(l *problems) {
	names := make(map[string]bool)
	for i, c := range s.SMSCs {
		path := entryPath("sim.smscs", i)
		l.entryName(path, "SMSC", c.Name, names)
		if c.Cluster != "" && !entryName.MatchString(c.Cluster) {
			l.add(path+".cluster", "must be 1 to 20 small letters, digits and hyphens")
		}
		c.check(l, path)
	}
}

// entryName checks the name of an entry of a list, which no other entry may have.
func (l *problems) entryName(path, kind, name string, seen map[string]bool) {
	switch {
	case !entryName.MatchString(name):
		l.add(path+".name", "is needed: 1 to 20 small letters, digits and hyphens")
	case seen[name]:
		l.add(path+".name", "there is another %s %s: give each its own name", kind, name)
	}
	seen[name] = true
}

// entryName keeps labels of metrics short and their number small.
var entryName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$`)

func (s SMSC) check(l *problems, path string) {
	l.address(path+".address", s.Address, false)
	if s.Address == "" {
		l.add(path+".address", "is needed: host:port of the SMSC")
	}
	s.TLS.check(l, path+".tls")
	if s.SystemID == "" {
		l.add(path+".system_id", "is needed: the SMSC identifies this service by it")
	}
	// The lengths are those of SMPP 3.4, clause 5.2.
	l.atMost(path+".system_id", s.SystemID, 15)
	l.atMost(path+".password", s.Password.Reveal(), 8)
	l.atMost(path+".system_type", s.SystemType, 12)
	l.atMost(path+".service_type", s.ServiceType, 5)
	l.between(path+".weight", s.Weight, 0, 1000)
	l.between(path+".window", s.Window, 1, 1000)
	l.between(path+".rate", s.Rate, 0, 100_000)
	for name, n := range map[string]int{"transceivers": s.Transceivers, "transmitters": s.Transmitters, "receivers": s.Receivers} {
		l.between(path+"."+name, n, 0, 1000)
	}
	switch {
	case s.Transceivers == 0 && s.Transmitters > 0 && s.Receivers == 0:
		l.add(path+".receivers", "is needed beside transmitters: phones answer by them")
	case s.Transceivers == 0 && s.Receivers > 0 && s.Transmitters == 0:
		l.add(path+".transmitters", "is needed beside receivers: messages go out by them")
	}
	l.positive(path+".enquire_link", s.EnquireLink)
	l.positive(path+".response_timeout", s.ResponseTimeout)
	l.positive(path+".dial_timeout", s.DialTimeout)
	l.notNegative(path+".validity", s.Validity)
	if s.Mode != ModeTransaction && !s.Receipts {
		l.add(path+".receipts", "must be true unless mode is transaction: nothing else tells that a phone is away")
	}
	if s.Source.Address != "" && !digits(s.Source.Address) {
		l.add(path+".source.address", "must be digits: cards answer to it; a name is for text_source")
	}
	s.Source.check(l, path+".source")
	s.TextSource.check(l, path+".text_source")
}

// Sender is the source address of messages.
type Sender struct {
	Address string `yaml:"address"` // digits without +, or a name of at most 11 characters
	TON     TON    `yaml:"ton"`
	NPI     NPI    `yaml:"npi"`
}

// Numbering is the type of number and the numbering plan of an address.
type Numbering struct {
	TON TON `yaml:"ton"`
	NPI NPI `yaml:"npi"`
}

func (s Sender) check(l *problems, path string) {
	switch {
	case s.Address == "":
		if s != (Sender{}) {
			l.add(path+".address", "is needed beside ton and npi")
		}
	case digits(s.Address):
		l.atMost(path+".address", s.Address, 20)
	case len(s.Address) > 11 || strings.ContainsFunc(s.Address, func(r rune) bool { return r < ' ' || r > '~' }):
		l.add(path+".address", "must be digits without +, or a name of at most 11 characters")
	}
}
