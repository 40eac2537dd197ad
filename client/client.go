package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/signum-mssp/signum"
)

// Defaults of a Config.
const (
	DefaultLang           = "en"
	DefaultProfile        = signum.ProfileAnyLoA4
	DefaultMSSP           = "http://mid.swisscom.ch/"
	DefaultPassword       = "disabled"
	DefaultRequestTimeout = 30 * time.Second
	DefaultPollInterval   = 2 * time.Second
	DefaultMaxIdleConns   = 256

	// DefaultTransactionTimeout is the TimeOut of a request that names none.
	DefaultTransactionTimeout = 80 * time.Second
)

// The limits for setting up a connection. They are fixed: what takes longer on
// today's internet never succeeds.
const (
	connectTimeout   = 10 * time.Second
	handshakeTimeout = 10 * time.Second
)

// Config tells a Client whom to ask, and as whom. BaseURL and APID are
// required.
type Config struct {
	// BaseURL is the address before /rest or /soap, for example
	// https://mobileid.example.com. Plain http is accepted for loopback only.
	BaseURL string
	// SOAP chooses the wire; the default is REST.
	SOAP bool

	APID       string // AP_ID, the name the service knows the party by
	APPassword string // AP_PWD; empty: "disabled", what services without passwords expect

	// TLS holds the client certificate that identifies the party, and the root
	// certificates of the service if they are not the system's. It is cloned.
	TLS *tls.Config
	// HTTPClient, if not nil, makes all connections; TLS must then be nil. Its
	// Timeout should be zero, because a signature takes as long as the user does.
	HTTPClient *http.Client

	// DialContext, if not nil, makes the TCP connections; HTTPClient must then be nil. That of
	// LoadSandbox reaches a sandbox whose name is not known on this machine.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	Lang    string // userLang of requests that name none: en, de, fr or it; empty: en
	Profile string // signature profile of requests that name none; empty: Any-LoA4
	MSSP    string // MSSP_ID/URI; empty: http://mid.swisscom.ch/

	// RequestTimeout limits a call that does not wait for the user. For one that
	// does it is the margin on top of the user's time: the transaction's timeout for
	// a synchronous signature, signum.ReceiptWait (80 s) for a receipt. 0: 30 s.
	RequestTimeout time.Duration
	// MaxIdleConns is how many connections are kept open for later requests. Set it
	// to the number of synchronous requests that are under way at a time. 0: 256.
	MaxIdleConns int

	Now func() time.Time // tells the time for AP_Info/Instant; nil: time.Now
}

// Client asks one service as one party. It is safe for concurrent use.
type Client struct {
	cfg  Config
	base *url.URL
	wire wire
	http *http.Client
}

// wire is one encoding of the calls. Decoding returns a *signum.Fault for a
// fault of the service, and any other error for what is no answer to op.
type wire struct {
	paths       map[signum.Operation]string
	contentType string
	accept      string
	answers     []string // media types an answer may have
	encode      func(signum.Request) ([]byte, error)
	decode      func(signum.Operation, []byte) (signum.Response, error)
}

// New returns a client with this configuration. It returns an error if the
// configuration is wrong, and does not connect yet.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if cfg.APID == "" {
		return nil, errors.New("client: APID is missing")
	}
	if cfg.HTTPClient != nil && cfg.TLS != nil {
		return nil, errors.New("client: HTTPClient and TLS exclude each other")
	}
	if cfg.HTTPClient != nil && cfg.DialContext != nil {
		return nil, errors.New("client: HTTPClient and DialContext exclude each other")
	}
	if cfg.RequestTimeout < 0 || cfg.MaxIdleConns < 0 {
		return nil, errors.New("client: RequestTimeout and MaxIdleConns must not be negative")
	}
	cfg.APPassword = cmp.Or(cfg.APPassword, DefaultPassword)
	cfg.Lang = cmp.Or(cfg.Lang, DefaultLang)
	cfg.Profile = cmp.Or(cfg.Profile, DefaultProfile)
	cfg.MSSP = cmp.Or(cfg.MSSP, DefaultMSSP)
	cfg.RequestTimeout = cmp.Or(cfg.RequestTimeout, DefaultRequestTimeout)
	cfg.MaxIdleConns = cmp.Or(cfg.MaxIdleConns, DefaultMaxIdleConns)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Client{cfg: cfg, base: base, wire: restWire, http: cfg.HTTPClient}
	if cfg.SOAP {
		c.wire = soapWire
	}
	if c.http == nil {
		c.http = newHTTPClient(cfg.TLS, cfg.MaxIdleConns)
		if cfg.DialContext != nil {
			c.http.Transport.(*http.Transport).DialContext = cfg.DialContext
		}
	}
	return c, nil
}

// Close closes idle connections. Calls that are under way continue.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func parseBase(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("client: BaseURL is missing")
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("client: BaseURL: %w", err)
	}
	switch {
	case u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, fmt.Errorf("client: BaseURL %q is not of the form https://host", u.Redacted())
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("client: BaseURL %q: only https identifies the party", u.Redacted())
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func newHTTPClient(cfg *tls.Config, idle int) *http.Client {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg = cfg.Clone()
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if cfg.ClientSessionCache == nil {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dial,
			TLSClientConfig:       cfg,
			TLSHandshakeTimeout:   handshakeTimeout,
			ExpectContinueTimeout: time.Second,
			ForceAttemptHTTP2:     true, // with a TLSClientConfig it is off otherwise
			DisableCompression:    true, // a CMS does not compress
			MaxIdleConns:          idle,
			MaxIdleConnsPerHost:   idle,
			IdleConnTimeout:       90 * time.Second,
			// A synchronous request is silent for more than a minute. Pings notice a
			// peer that is gone.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		},
		// A redirect is not an MSS answer, and a signature request must not go to an
		// address that somebody else chose.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: connectTimeout, KeepAlive: 15 * time.Second}
	conn, err := d.DialContext(ctx, network, addr)
	var ne net.Error
	if err != nil && ctx.Err() == nil && errors.As(err, &ne) && ne.Timeout() {
		return nil, &TimeoutError{Limit: "connect timeout", After: connectTimeout, Err: err}
	}
	return conn, err
}
