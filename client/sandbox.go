package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/signum-mssp/signum"
)

// The files in the directory of a sandbox.
const (
	SandboxFile     = "sandbox.json"
	SandboxServerCA = "server-ca.pem" // root of the server's TLS certificate
	SandboxCert     = "ap.crt"        // the party's TLS certificate, PEM
	SandboxKey      = "ap.key"        // the key of that certificate, PEM
	SandboxUserCA   = "user-ca.pem"   // root of the users' certificates; may be missing
)

// Sandbox is what a running sandbox tells its clients: the content of
// sandbox.json, and what LoadSandbox makes of the files beside it.
type Sandbox struct {
	BaseURL    string `json:"base_url"`
	WebURL     string `json:"web_url"` // the phone page is /phone, the self-care portal /me
	APID       string `json:"ap_id"`
	BasicAPID  string `json:"basic_ap_id"` // a second party with the same certificate and few rights
	DTBDPrefix string `json:"dtbd_prefix"` // must start every text
	// Token allows a program without the certificate to use the control addresses
	// (/sandbox/…): Authorization: Bearer TOKEN. Empty in directories of older versions.
	Token string `json:"token"`
	// Parties are all parties of the sandbox; empty in directories of older versions.
	Parties []SandboxParty `json:"parties"`
	Users   []SandboxUser  `json:"users"`
	// Patterns are users by the beginning of their numbers, such as +4179001*: a number that
	// begins so gets its user when a party first asks for it.
	Patterns []SandboxUser `json:"patterns"`

	Config    Config         `json:"-"` // ready for New
	UserRoots *x509.CertPool `json:"-"` // for Verify; nil without user-ca.pem
}

// SandboxParty is a party of the sandbox.
type SandboxParty struct {
	APID       string `json:"ap_id"`
	Name       string `json:"name"`        // as users see it
	DTBDPrefix string `json:"dtbd_prefix"` // must start every text; may be empty
	// UnprefixedReceipts: the prefix need not start the texts of receipts.
	UnprefixedReceipts bool                 `json:"unprefixed_receipts"`
	SubjectNameBase64  bool                 `json:"subject_name_base64"` // X509SubjectName of profile answers is in Base64
	DefaultLang        string               `json:"default_lang"`        // of requests without a language; empty: they need one
	Profiles           []string             `json:"profiles"`            // that it may ask for
	Password           bool                 `json:"password,omitempty"`  // it must send its AP_PWD
	Services           []string             `json:"services"`            // additional services that it may ask for
	Certificates       []SandboxCertificate `json:"certificates"`        // any of them identifies it
}

// SandboxCertificate names the files of a client certificate in the directory. A certificate
// that a party brought along has a fingerprint instead.
type SandboxCertificate struct {
	KeyType signum.KeyType `json:"key_type"`
	Cert    string         `json:"cert,omitempty"`   // PEM
	Key     string         `json:"key,omitempty"`    // PEM
	P12     string         `json:"p12,omitempty"`    // both, with the password "secret"
	SHA256  string         `json:"sha256,omitempty"` // of the certificate (DER), in hex
}

// SandboxUser is a mobile user that the sandbox simulates.
type SandboxUser struct {
	MSISDN  string          `json:"msisdn"`
	Methods []signum.Method `json:"methods"`
	KeyType signum.KeyType  `json:"key_type"`

	State   string `json:"state,omitempty"`   // as in the sandbox's contract, such as REGISTERED or PIN_BLOCKED; empty: ACTIVE
	Network string `json:"network,omitempty"` // MCC and MNC of the SIM, such as 22801; empty: the user has no SIM
}

// Party returns the party with this AP_ID, or with an AP_ID that ends with a slash and this
// name, such as "open". It returns nil if there is none.
func (s *Sandbox) Party(name string) *SandboxParty {
	for i, p := range s.Parties {
		if p.APID == name || strings.HasSuffix(p.APID, "/"+name) {
			return &s.Parties[i]
		}
	}
	return nil
}

// LoadSandbox reads a sandbox's directory. Fields of sandbox.json that it does
// not know are ignored.
func LoadSandbox(dir string) (*Sandbox, error) {
	data, err := os.ReadFile(filepath.Join(dir, SandboxFile))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	s := &Sandbox{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("client: %s: %w", filepath.Join(dir, SandboxFile), err)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, SandboxCert), filepath.Join(dir, SandboxKey))
	if err != nil {
		return nil, fmt.Errorf("client: the party's certificate: %w", err)
	}
	roots, err := LoadRoots(filepath.Join(dir, SandboxServerCA))
	if err != nil {
		return nil, err
	}
	userCA := filepath.Join(dir, SandboxUserCA)
	if _, err := os.Stat(userCA); err == nil {
		if s.UserRoots, err = LoadRoots(userCA); err != nil {
			return nil, err
		}
	}
	s.Config = Config{
		BaseURL: s.BaseURL,
		APID:    s.APID,
		TLS:     &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots},

		DialContext: dialSandbox,
	}
	return s, nil
}

// dialSandbox is dial, and connects to the same port of this machine if it does not know the
// name: a sandbox has the name by which others call it. Its certificate shows whether it is
// the right one.
func dialSandbox(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	var unknown *net.DNSError
	if !errors.As(err, &unknown) {
		return conn, err
	}
	_, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return nil, err
	}
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		if conn, e := dial(ctx, network, net.JoinHostPort(loopback, port)); e == nil {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("%w, and nothing listens on port %s here", err, port)
}

// LoadRoots reads a file of certificates in PEM into a pool. It returns an error
// if the file holds none.
func LoadRoots(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("client: %s holds no certificate in PEM", path)
	}
	return pool, nil
}
