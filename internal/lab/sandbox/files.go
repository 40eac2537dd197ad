package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signum-mssp/signum/client"
)

// Files of the directory that clients use. Package client names those it reads.
const (
	InfoFile        = client.SandboxFile     // Info
	ServerCAFile    = client.SandboxServerCA // trust anchor of the server's TLS certificate
	UserCAFile      = client.SandboxUserCA   // root of the users' certificates
	IssuingCAFile   = "issuing-ca.pem"       // the CA that issues them, under that root
	UserCAChainFile = "user-ca-chain.pem"    // both
	APCertFile      = client.SandboxCert     // the parties' TLS certificate
	APKeyFile       = client.SandboxKey      // and its key
	APP12File       = "ap.p12"               // both, password Password
	APRSACertFile   = "ap-rsa.crt"           // another TLS certificate of the parties, with an RSA key
	APRSAKeyFile    = "ap-rsa.key"
	APRSAP12File    = "ap-rsa.p12"
	TruststoreFile  = "truststore.p12" // all CAs, readable by Java, password Password
)

// clientFiles are all files beside the private directory.
var clientFiles = []string{
	InfoFile, ServerCAFile, UserCAFile, IssuingCAFile, UserCAChainFile, APCertFile, APKeyFile, APP12File,
	APRSACertFile, APRSAKeyFile, APRSAP12File, TruststoreFile, JavaFile, GuideFile, RESTFile, SOAPFile,
}

// Password protects the PKCS #12 files. They hold nothing that is worth protecting,
// but Java insists on a password.
const Password = "secret"

const (
	privateDir   = "private"
	databaseFile = "signum.db" // in privateDir
	caDir        = "ca"        // in privateDir
	cardsDir     = "cards"     // in privateDir
)

// Info is sandbox.json: what a client needs to know besides the certificates.
type Info struct {
	BaseURL    string `json:"base_url"`
	World      string `json:"world,omitempty"` // of these files; empty: that of the directory
	PKIURL     string `json:"pki_url"`         // OCSP, CRL and CA certificates over http
	WebURL     string `json:"web_url"`         // the phone page is /phone, the self-care portal /me
	OpsURL     string `json:"ops_url"`         // metrics (/metrics) and health (/readyz)
	APID       string `json:"ap_id"`
	BasicAPID  string `json:"basic_ap_id"`
	DTBDPrefix string `json:"dtbd_prefix"`
	// Token allows a program without a certificate to use the control addresses.
	Token string `json:"token,omitempty"`
	// Parties are all parties; the three fields before describe the first two.
	Parties []Party `json:"parties"`
	Users   []User  `json:"users"`

	local string // see Local
	// Patterns make users; see client.Sandbox.
	Patterns []User `json:"patterns,omitempty"`
}

// Local is the service's address for the scripts of the directory. They are run beside it, where
// the name in BaseURL need not be known.
func (i *Info) Local() string { return cmp.Or(i.local, i.BaseURL) }

// User is a mobile user of the sandbox. Methods is empty for a user who cannot sign.
type User = client.SandboxUser

// ReadInfo reads sandbox.json of a directory.
func ReadInfo(dir string) (*Info, error) {
	b, err := os.ReadFile(filepath.Join(dir, InfoFile))
	if err != nil {
		return nil, err
	}
	info := new(Info)
	if err := json.Unmarshal(b, info); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, InfoFile), err)
	}
	return info, nil
}

// write writes the files that are derived from Info, and sandbox.json as the last of all
// files.
func (i *Info) write(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, JavaFile), i.javaProperties(abs), 0o644); err != nil {
		return err
	}
	if err := i.writeGuide(dir); err != nil {
		return err
	}
	b, err := i.encode()
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, InfoFile), b, 0o600) // it has the token
}

func (i *Info) encode() ([]byte, error) {
	b, err := json.MarshalIndent(i, "", "  ")
	return append(b, '\n'), err
}

// writeFile replaces a file as a whole: a reader, or a crash, sees the old one
// or the new one.
func writeFile(name string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func exists(names ...string) bool {
	for _, n := range names {
		if _, err := os.Stat(n); err != nil {
			return false
		}
	}
	return true
}
