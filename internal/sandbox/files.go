package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signum-mssp/signum"
)

// Files of the directory that clients use.
const (
	ServerCAFile   = "server-ca.pem"  // trust anchor of the server's TLS certificate
	UserCAFile     = "user-ca.pem"    // root of the users' certificates
	APCertFile     = "ap.crt"         // the party's TLS certificate
	APKeyFile      = "ap.key"         // and its key
	APP12File      = "ap.p12"         // both, password Password
	TruststoreFile = "truststore.p12" // both CAs, readable by Java, password Password
	InfoFile       = "sandbox.json"   // Info
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
type User struct {
	MSISDN  string          `json:"msisdn"`
	Methods []signum.Method `json:"methods"`
	KeyType signum.KeyType  `json:"key_type"`
}

// Users are the users of every sandbox.
func Users() []User {
	return []User{
		{"+41791000001", []signum.Method{signum.SIM}, signum.EC},
		{"+41791000002", []signum.Method{signum.App}, signum.EC},
		{"+41791000003", []signum.Method{signum.SIM, signum.App}, signum.EC},
		{"+41791000004", []signum.Method{}, signum.EC},
		{"+41791000005", []signum.Method{signum.SIM}, signum.RSA},
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
