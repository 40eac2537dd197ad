package sandbox

import (
	"crypto"
	_ "embed" // for the logo
	"sync"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/partydoc"
)

// The parties of every sandbox. Each accepts all certificates of the directory.
const (
	APID      = "mid://sandbox"       // may do everything
	BasicAPID = "mid://sandbox/basic" // has only the rights that every party has
	// OpenAPID has the rights of APID, and accepts texts without a prefix and requests
	// without a language: some clients send fixed texts.
	OpenAPID = "mid://sandbox/open"

	DTBDPrefix = "Sandbox: " // of APID and BasicAPID
)

// Party describes a party in sandbox.json.
type Party = client.SandboxParty

// clientCert is one of the client certificates of the directory: its certificate and
// its key in PEM, and both in PKCS #12.
type clientCert struct {
	name                       string // common name
	keyType                    signum.KeyType
	newKey                     func() (crypto.Signer, error)
	certFile, keyFile, p12File string
}

// clientCerts are the client certificates, in the order of their keys in Party.
var clientCerts = []clientCert{
	{"Signum sandbox TEST AP", signum.EC, newECKey, APCertFile, APKeyFile, APP12File},
	{"Signum sandbox TEST AP RSA", signum.RSA, newRSAKey, APRSACertFile, APRSAKeyFile, APRSAP12File},
}

// logoFile is the logo of the sandbox's parties.
//
//go:embed logo.png
var logoFile []byte

// logo is read once, because all worlds have it.
var logo = sync.OnceValues(func() (*mssp.Logo, error) { return mssp.NewLogo(logoFile) })

// builtinParties returns the parties of every sandbox.
func builtinParties() []partydoc.Party {
	no := false
	return []partydoc.Party{
		{APID: APID, Name: "Sandbox", Prefix: DTBDPrefix},
		{
			APID: BasicAPID, Name: "Sandbox (few rights)", Prefix: DTBDPrefix, Profiles: []string{}, Services: []string{},
			AutoActivation: &no, TestNumbers: &no, EncryptedReceipts: &no,
		},
		{APID: OpenAPID, Name: "Sandbox (no prefix)", UnprefixedReceipts: true, DefaultLang: "en"},
	}
}
