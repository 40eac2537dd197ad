package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// Files of the directory that clients use; the client names those it reads.
const (
	InfoFile       = client.SandboxFile     // Info
	ServerCAFile   = client.SandboxServerCA // trust anchor of the server's TLS certificate
	UserCAFile     = client.SandboxUserCA   // root of the users' certificates
	APCertFile     = client.SandboxCert     // the party's TLS certificate
	APKeyFile      = client.SandboxKey      // and its key
	APP12File      = "ap.p12"               // both, password Password
	TruststoreFile = "truststore.p12"       // both CAs, readable by Java, password Password
)

// Password protects the PKCS #12 files. They hold nothing worth protecting;
// Java insists on one.
const Password = "secret"

const privateDir = "private"

// The party of every sandbox.
const (
	APID       = "mid://sandbox"
	DTBDPrefix = "Sandbox: "
)

// Info is sandbox.json: what a client needs to know besides the certificates.
type Info struct {
	BaseURL    string `json:"base_url"`
	PKIURL     string `json:"pki_url"` // OCSP, CRL and CA certificates over http
	APID       string `json:"ap_id"`
	DTBDPrefix string `json:"dtbd_prefix"`
	Users      []User `json:"users"`
}

// User is a mobile user of the sandbox. Methods is empty for one that cannot
// sign.
type User = client.SandboxUser

// Users are the users of every sandbox.
func Users() []User {
	return []User{
		{MSISDN: "+41791000001", Methods: []signum.Method{signum.SIM}, KeyType: signum.EC},
		{MSISDN: "+41791000002", Methods: []signum.Method{signum.App}, KeyType: signum.EC},
		{MSISDN: "+41791000003", Methods: []signum.Method{signum.SIM, signum.App}, KeyType: signum.EC},
		{MSISDN: "+41791000004", Methods: []signum.Method{}, KeyType: signum.EC},
		{MSISDN: "+41791000005", Methods: []signum.Method{signum.SIM}, KeyType: signum.RSA},
	}
}

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

func (i *Info) write(dir string) error {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, InfoFile), append(b, '\n'), 0o644)
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
