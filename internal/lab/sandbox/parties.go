package sandbox

import (
	"context"
	"crypto"
	_ "embed" // for the logo
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/mssp"
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

// fullParty returns a party that may do everything.
func fullParty(id, name, logo string, pins []mssp.Pin) mssp.Party {
	return mssp.Party{
		ID: id, Name: name, Logo: logo, Pins: pins, Profiles: signum.SignatureProfiles,
		Services: []string{
			signum.ServiceValidate, signum.ServiceGeofencing, signum.ServiceApp2App, signum.ServiceSubscriberInfo,
			signum.ServiceVerification,
		},
		AutoActivation: true, TestNumbers: true, EncryptedReceipts: true,
	}
}

// parties returns the parties of every sandbox.
func parties(logo string, pins []mssp.Pin) []*mssp.Party {
	full := fullParty(APID, "Sandbox", logo, pins)
	full.DTBDPrefix = DTBDPrefix
	open := fullParty(OpenAPID, "Sandbox (no prefix)", logo, pins)
	open.UnprefixedReceipts, open.DefaultLang = true, "en"
	basic := mssp.Party{ID: BasicAPID, Name: "Sandbox (few rights)", Logo: logo, DTBDPrefix: DTBDPrefix, Pins: pins}
	return []*mssp.Party{&full, &basic, &open}
}

// describe says what clients may know about a party.
func describe(p *mssp.Party) Party {
	d := Party{
		APID: p.ID, Name: p.Name, DTBDPrefix: p.DTBDPrefix, UnprefixedReceipts: p.UnprefixedReceipts, DefaultLang: p.DefaultLang,
		SubjectNameBase64: p.SubjectNameBase64,
		Profiles:          slices.Concat([]string{signum.ProfileAuth1}, p.Profiles), Services: slices.Concat([]string{signum.ServiceUserLang}, p.Services),
	}
	for _, c := range clientCerts {
		d.Certificates = append(d.Certificates, client.SandboxCertificate{KeyType: c.keyType, Cert: c.certFile, Key: c.keyFile, P12: c.p12File})
	}
	return d
}

// addParties creates the parties, or resets those of an earlier run.
func (b *Sandbox) addParties(ctx context.Context) error {
	logo, err := mssp.NewLogo(logoFile)
	if err == nil {
		err = b.Store.PutLogo(ctx, logo)
	}
	if err != nil {
		return fmt.Errorf("the logo of the parties: %w", err)
	}
	for _, p := range slices.Concat(parties(logo.ID, b.files.pins()), b.ownParties(logo.ID)) {
		if err := b.Store.PutParty(ctx, p); err != nil {
			return fmt.Errorf("party %s: %w", p.ID, err)
		}
	}
	return nil
}
