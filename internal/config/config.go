package config

import (
	_ "embed"
	"log/slog"
	"net/netip"
	"time"
)

// Config is the configuration of one node. The zero value is not usable; start
// from Default.
type Config struct {
	Service Service `yaml:"service"`
	Listen  Listen  `yaml:"listen"`
	// TrustedProxies are the networks whose X-Forwarded-For is believed, except on the
	// MSS listener, and whose connections begin with a header of the PROXY protocol
	// where a listener has ProxyProtocol: see package clientaddr.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	Store          Store          `yaml:"store"`
	CA             CA             `yaml:"ca"`
	SIM            SIM            `yaml:"sim"`
	App            App            `yaml:"app"`
	Limits         Limits         `yaml:"limits"`
	Admission      Admission      `yaml:"admission"`
	Engine         Engine         `yaml:"engine"`
	Retention      Retention      `yaml:"retention"`
	Drain          Drain          `yaml:"drain"`
	Log            Log            `yaml:"log"`
}

// Service is how the service presents itself.
type Service struct {
	Name    string `yaml:"name"`     // as people read it on the pages; at most 40 characters
	MSSPURI string `yaml:"mssp_uri"` // MSSP_ID/URI of answers (TS 102 204), and the audience of App calls
	// AuthURI opens the app that signs (App2App). One that begins with / is a
	// page of the web listener. Empty: signum.DefaultAuthURI.
	AuthURI string `yaml:"auth_uri"`
	// Country is that of numbers which users type on the pages without a country code:
	// ISO 3166-1 alpha-2. Empty: they must type the code.
	Country string `yaml:"country"`
}

// Listen are the addresses that a node serves.
type Listen struct {
	// Host is the name or IP address under which clients reach this node. It is in the
	// addresses that the node publishes for listeners without a URL. Empty: the address
	// of each listener.
	Host Host        `yaml:"host"`
	MSS  MSSListener `yaml:"mss"`
	Web  WebListener `yaml:"web"`
	PKI  PKIListener `yaml:"pki"`
	Ops  OpsListener `yaml:"ops"`
	// Admin serves the administration.
	Admin AdminListener `yaml:"admin"`
	// Exempt are networks whose connections no limit per address counts.
	Exempt []netip.Prefix `yaml:"exempt"`
	// CipherSuites are those of TLS 1.2 on MSS and Web. None: TLS 1.3 only.
	CipherSuites []CipherSuite `yaml:"cipher_suites"`
}

// MSSListener serves application providers, over TLS with client certificates.
type MSSListener struct {
	Address Address `yaml:"address"`
	TLS     KeyPair `yaml:"tls"`
	// Connections that have shown a party's certificate do not count per address.
	Connections Connections `yaml:"connections"`
	// Streams is how many requests may be open at once on one HTTP/2 connection that has
	// shown a party's certificate.
	Streams int `yaml:"streams"`
	// ClientCert are proxies that end TLS, and name the certificate of the client.
	ClientCert ClientCert `yaml:"client_cert"`
	// URL is the origin under which application providers reach it. The contracts
	// state it. Empty: the address at which a request arrived.
	URL URL `yaml:"url"`
}

// WebListener serves people and Apps: the phone page, self-care, the App
// protocol.
type WebListener struct {
	Address Address `yaml:"address"`
	// TLS may be absent on loopback, where browsers and Apps accept plain http.
	TLS         KeyPair     `yaml:"tls"`
	Connections Connections `yaml:"connections"`
	// URL is the origin under which people reach the pages, and the only name in
	// their Host headers. Empty: that of the listener, with the name localhost on
	// loopback, because passkeys need a name.
	URL URL `yaml:"url"`
	// Hosts are further names and IP addresses at which the pages answer. Passkeys
	// belong to the first.
	Hosts []Host `yaml:"hosts"`
	// HTTPSOnly tells browsers to use this name with https only, and ties the cookies
	// to it, if URL is https with a DNS name.
	HTTPSOnly bool `yaml:"https_only"`
}

// PKIListener serves OCSP, CRLs and CA certificates, over plain http.
type PKIListener struct {
	Address     Address     `yaml:"address"`
	Connections Connections `yaml:"connections"`
	// URL is the base under which everybody reaches them. It goes into every
	// certificate. Empty: that of the listener.
	URL URL `yaml:"url"`
}

// OpsListener serves metrics and health, over plain http. It is for the
// operator only.
type OpsListener struct {
	Address     Address     `yaml:"address"` // empty: not served
	Connections Connections `yaml:"connections"`
}

// AdminListener serves the administration: parties, users and SIM cards. Who can open it
// may do everything.
type AdminListener struct {
	// Socket is the path of a Unix socket, which only the user of this process and root can
	// open. Empty: not served.
	Socket string `yaml:"socket"`
}

// Store is the database.
type Store struct {
	// URL is sqlite:PATH or postgres://…; it is secret because it may hold a
	// password. Nodes with the same PostgreSQL are one service.
	URL     Secret `yaml:"url"`
	URLFile string `yaml:"url_file"`
	// ListenURL is for the connection on which a node hears the others. It goes to PostgreSQL
	// itself where URL goes through a pooler. Empty: URL.
	ListenURL     Secret `yaml:"listen_url"`
	ListenURLFile string `yaml:"listen_url_file"`
	// Migrate lets a node bring the schema up to date when it starts. Otherwise that is
	// a step of its own, signum migrate.
	Migrate bool `yaml:"migrate"`
}

// CA is the issuing CA of the users' certificates.
type CA struct {
	Directory string `yaml:"directory"` // with the keys and certificates of the CA
	// Create makes a new CA in Directory if there is none; what follows describes
	// it.
	Create       bool   `yaml:"create"`
	Profile      string `yaml:"profile"` // ecdsa or rsa-pss
	RootName     string `yaml:"root_name"`
	IssuingName  string `yaml:"issuing_name"`
	Organization string `yaml:"organization"`
	Test         bool   `yaml:"test"` // puts TEST before both names
}

// SIM is how SIM cards are reached.
type SIM struct {
	// SMSCs are where short messages go. Without any, requests to SIMs and text messages
	// end with 209.
	SMSCs         []SMSC      `yaml:"smscs"`
	ServiceNumber string      `yaml:"service_number"` // digits, E.164 without +: messages come from it, cards answer to it
	HomeNetwork   HomeNetwork `yaml:"home_network"`
	// MasterKey wraps the keys of cards in the store (AES-256): 64 hexadecimal
	// digits. If it is lost, so are those keys.
	MasterKey     Secret `yaml:"master_key"`
	MasterKeyFile string `yaml:"master_key_file"`
	// MaxOpen is how many requests to SIMs may be open at once.
	MaxOpen int   `yaml:"max_open"`
	Retry   Retry `yaml:"retry"`
	// Advance bounds how far the counter of a card that has seen a higher one is moved.
	Advance Advance `yaml:"advance"`
	// UnboundLimit is how long all SMSCs may be without a session before new requests
	// and texts end with 209 at once.
	UnboundLimit time.Duration `yaml:"unbound_limit"`
	// CardProfiles are kinds of cards that are reached in different ways.
	CardProfiles []CardProfile `yaml:"card_profiles"`
}

// HomeNetwork is the mobile network of the operator: its SIMs can be located,
// and a card belongs to it unless something else is known.
type HomeNetwork struct {
	MCC  string `yaml:"mcc"` // 3 digits
	MNC  string `yaml:"mnc"` // 2 or 3 digits
	Name string `yaml:"name"`
}

// Retry says when a request is sent to a card again; see sim.Retry.
type Retry struct {
	Attempts   int           `yaml:"attempts"`
	Absent     int           `yaml:"absent"`
	Backoff    time.Duration `yaml:"backoff"`
	MaxBackoff time.Duration `yaml:"max_backoff"`
	Silence    time.Duration `yaml:"silence"`
	Patience   time.Duration `yaml:"patience"`
	Margin     time.Duration `yaml:"margin"`
}

// Advance bounds how far counters are moved; see sim.Advance.
type Advance struct {
	Step  int `yaml:"step"`
	Daily int `yaml:"daily"`
}

// App is how Apps are reached.
type App struct {
	VAPID          VAPID     `yaml:"vapid"`
	Limits         AppLimits `yaml:"limits"`
	MaxOpen        int       `yaml:"max_open"`        // requests to Apps that are open at once
	MaxConnections int       `yaml:"max_connections"` // inboxes that are open at once
	MaxPerAccount  int       `yaml:"max_per_account"` // Apps of one user
}

// VAPID identifies this service to push services (RFC 8292). Without keys, the nodes on a
// PostgreSQL make them once. On SQLite a node makes its own at each start, so that browsers
// have to subscribe again before they can be woken.
type VAPID struct {
	Contact        string `yaml:"contact"`     // an e-mail or https address; empty: listen.web.url. See ContactURI
	PublicKey      string `yaml:"public_key"`  // Base64url of a P-256 point
	PrivateKey     Secret `yaml:"private_key"` // Base64url of its scalar
	PrivateKeyFile string `yaml:"private_key_file"`
}

// AppLimits are the rates at which calls of Apps are accepted.
type AppLimits struct {
	Begin      Rate `yaml:"begin"`      // enrolments, by remote address
	Address    Rate `yaml:"address"`    // all calls, by remote address
	Device     Rate `yaml:"device"`     // by App, the frames of its inbox included
	Subscriber Rate `yaml:"subscriber"` // by user, all Apps together
}

// Rate is how many calls are accepted: Burst at once, then PerMinute.
type Rate struct {
	PerMinute int `yaml:"per_minute"`
	Burst     int `yaml:"burst"`
}

// Limits bound what clients may use.
type Limits struct {
	MaxBody Size `yaml:"max_body"` // of a request, after decompression
	// ReadTimeout and WriteTimeout hold on every listener: for a request to arrive, and
	// for each 16 KiB of an answer to be taken.
	ReadTimeout  time.Duration `yaml:"read_timeout"`
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// ReservedFiles are the file descriptors that are not for connections of clients:
	// for the database, the SMSC, push services and files.
	ReservedFiles int          `yaml:"reserved_files"`
	Party         PartyLimits  `yaml:"party"`  // of each party
	Number        NumberLimits `yaml:"number"` // of each user's number, all parties together
	OTP           OTP          `yaml:"otp"`
}

// Admission says when new requests for signatures are refused because there is too much to
// do. What has begun goes on.
type Admission struct {
	QueueAge  time.Duration `yaml:"queue_age"`  // how long a request may wait in the queues of the node
	MaxMemory Size          `yaml:"max_memory"` // that the node may take; 0B: what the system allows
}

// PartyLimits are what one application provider may do.
type PartyLimits struct {
	MaxOpen        int  `yaml:"max_open"`        // requests that are open at once
	Requests       Rate `yaml:"requests"`        // signatures and receipts
	StatusQueries  Rate `yaml:"status_queries"`  //
	ProfileQueries Rate `yaml:"profile_queries"` //
	UnknownNumbers Rate `yaml:"unknown_numbers"` // answers that tell something about a number without asking its phone
	OneNumber      Rate `yaml:"one_number"`      // signatures, of each number
	OTP            Rate `yaml:"otp"`             // one-time passwords
	OTPOneNumber   Rate `yaml:"otp_one_number"`  // one-time passwords, to each number
}

// NumberLimits protect a user from all parties together.
type NumberLimits struct {
	Requests Rate `yaml:"requests"` // signatures
	// Cancels within CancelPeriod keep parties from asking the user, until the first is
	// older than that.
	Cancels      int           `yaml:"cancels"`
	CancelPeriod time.Duration `yaml:"cancel_period"`
}

// OTP says where one-time passwords may be sent.
type OTP struct {
	// Prefixes are how the numbers begin: + and digits; + alone stands for all. Empty:
	// the country of the service number.
	Prefixes []string `yaml:"prefixes"`
	Special  bool     `yaml:"special"` // premium-rate, shared-cost and satellite numbers too
}

// Engine are the times of transactions.
type Engine struct {
	Skew  time.Duration `yaml:"skew"`  // how far a request's Instant may be off
	Sweep time.Duration `yaml:"sweep"` // how often to look for expired transactions
	// MinTimeout is the shortest TimeOut that a request may name, in whole seconds.
	MinTimeout time.Duration `yaml:"min_timeout"`
	// Poll is how often to look for outcomes that another node decided, while its notices
	// do not arrive; while they do, five times as long. With SQLite there is no other node
	// and nothing is polled.
	Poll time.Duration `yaml:"poll"`
}

// Retention says how long what is over is kept.
type Retention struct {
	// Outcomes is how long a party can ask for an outcome; at least twice Engine.Skew.
	Outcomes time.Duration `yaml:"outcomes"`
	// Evidence is how long transactions and receipts stay in the database, with the text
	// and the number of the user; at least Outcomes.
	Evidence time.Duration `yaml:"evidence"`
	// Devices is how long devices stay after they have ended; 0: until their account goes.
	Devices time.Duration `yaml:"devices"`
	// Certificates is how long certificates stay after they have expired; 0: always. At
	// least Evidence, which needs them.
	Certificates time.Duration `yaml:"certificates"`
	// Export is the directory for what is exported before it is deleted; empty: nothing is.
	Export string `yaml:"export"`
}

// Log is what is logged.
type Log struct {
	Level  slog.Level `yaml:"level"`
	Format string     `yaml:"format"` // LogText or LogJSON
}

// Forms of log lines.
const (
	LogText = "text"
	LogJSON = "json"
)

// Default is the configuration with every default, before a file is read. Keys
// without a default are empty.
func Default() Config {
	return Config{
		Service: Service{Name: "Signum"},
		Listen: Listen{
			MSS: MSSListener{Address: "127.0.0.1:8443", Connections: Connections{PerAddress: 100}, Streams: 1000},
			Web: WebListener{Address: "127.0.0.1:8444", Connections: Connections{PerAddress: 1000}, HTTPSOnly: true},
			PKI: PKIListener{Address: "127.0.0.1:8080", Connections: Connections{PerAddress: 200}},
			Ops: OpsListener{Address: "127.0.0.1:9464", Connections: Connections{PerAddress: 50}},

			CipherSuites: defaultSuites(),
		},
		CA: CA{Profile: ProfileECDSA, RootName: "Signum Root CA", IssuingName: "Signum Issuing CA", Organization: "Signum"},
		SIM: SIM{
			MaxOpen:      50_000,
			UnboundLimit: 10 * time.Second,
			Advance:      Advance{Step: 256, Daily: 1 << 20},
			Retry: Retry{
				Attempts: 8, Absent: 4, Backoff: time.Second, MaxBackoff: 8 * time.Second,
				Silence: 8 * time.Second, Patience: 30 * time.Second, Margin: time.Second,
			},
		},
		App: App{
			Limits: AppLimits{
				Begin: Rate{60, 60}, Address: Rate{6000, 3000}, Device: Rate{120, 60}, Subscriber: Rate{240, 120},
			},
			MaxOpen: 50_000, MaxConnections: 20_000, MaxPerAccount: 5,
		},
		Limits: Limits{
			MaxBody: 64 << 10, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, ReservedFiles: 256,
			Party: PartyLimits{
				MaxOpen: 20_000, Requests: Rate{6000, 1000}, StatusQueries: Rate{60_000, 10_000},
				ProfileQueries: Rate{600, 100}, UnknownNumbers: Rate{60, 100}, OneNumber: Rate{10, 10},
				OTP: Rate{600, 100}, OTPOneNumber: Rate{1, 5},
			},
			Number: NumberLimits{Requests: Rate{60, 60}, Cancels: 3, CancelPeriod: 10 * time.Minute},
		},
		Admission: Admission{QueueAge: 10 * time.Second},
		Engine: Engine{
			Skew: 5 * time.Minute, Sweep: 250 * time.Millisecond, MinTimeout: 15 * time.Second, Poll: time.Second,
		},
		Retention: Retention{Outcomes: time.Hour, Evidence: time.Hour},
		Drain:     Drain{Announce: 5 * time.Second, Wait: 90 * time.Second},
		Log:       Log{Format: LogText},
	}
}

// Algorithms of a new CA.
const (
	ProfileECDSA  = "ecdsa"
	ProfileRSAPSS = "rsa-pss"
)

//go:embed example.yaml
var example []byte

// Example is a complete, commented file: every key with its default, those
// without one commented out.
func Example() []byte { return append([]byte(nil), example...) }
