package mssp

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"
)

// CertificateState is the state of a certificate of the issuing CA.
type CertificateState string

// The states of a certificate. A row is written as intended before the CA signs, so
// that the store knows every certificate that exists.
const (
	CertificateIntended CertificateState = "INTENDED"
	CertificateGood     CertificateState = "GOOD"
	CertificateRevoked  CertificateState = "REVOKED"
)

// Certificate is an issued (or intended) subscriber certificate.
type Certificate struct {
	Serial    string // X.509 serial number, lower-case hex without leading zeros
	DeviceID  string
	State     CertificateState
	DER       []byte // nil while intended
	Issuer    string // key identifier of the CA, lower-case hex; set on intent, read back by RevokedCertificates only
	TBS       []byte // to-be-signed bytes as linted; only written, with the intent
	NotBefore time.Time
	NotAfter  time.Time
	RevokedAt time.Time // zero if not revoked
	Reason    int       // CRLReason of RFC 5280, clause 5.3.1
}

// Issuer certifies subscribers' keys. The issuing CA implements it.
type Issuer interface {
	// Issue certifies the key of a device for the account with this serial. When it
	// returns, the certificate is in the store.
	Issue(ctx context.Context, serial, deviceID string, key crypto.PublicKey) (*Certificate, error)
	// Revoke revokes a certificate for a CRLReason of RFC 5280, clause 5.3.1. Revoking a
	// second time changes nothing.
	Revoke(ctx context.Context, serial string, reason int) error
}

// RevokeEnded revokes the certificates of those devices that have ended, because the
// account has another serial (superseded). It goes on after an error.
func RevokeEnded(ctx context.Context, i Issuer, devices []Device) error {
	const superseded = 4
	var errs []error
	for _, d := range devices {
		if c := d.Certificate; d.Ended != "" && c != nil && c.State == CertificateGood {
			if err := i.Revoke(ctx, c.Serial, superseded); err != nil {
				errs = append(errs, fmt.Errorf("device %s: %w", d.ID, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Chains knows the CAs above subscribers' certificates.
type Chains interface {
	// Chain returns the certificates (DER) that follow a subscriber's (DER) in a CMS:
	// that of the CA that issued it, then the root's. The caller must not change
	// them. It returns an error if the issuer is unknown.
	Chain(certificate []byte) ([][]byte, error)
}

// CertificateStore is what the issuing CA needs.
type CertificateStore interface {
	// IntendCertificate records a certificate (Serial, DeviceID, Issuer, TBS, validity)
	// before it is signed. A serial number that exists is an error.
	IntendCertificate(ctx context.Context, c *Certificate) error
	// CompleteCertificate adds the DER of an intended certificate, which makes it
	// good. ErrNotFound if it was not intended.
	CompleteCertificate(ctx context.Context, serial string, der []byte) error
	// RevokeCertificate revokes a good certificate. If it is revoked already, the first
	// time and reason stay. ErrNotFound if there is no good or revoked certificate of
	// that number.
	RevokeCertificate(ctx context.Context, serial string, at time.Time, reason int) error
	// Certificate finds a certificate by its serial number, without its TBS;
	// ErrNotFound.
	Certificate(ctx context.Context, serial string) (*Certificate, error)
	// RevokedCertificates lists those revoked and not expired at the time,
	// ordered by serial number, of all issuers. DER is left out if Issuer is known:
	// rows of earlier versions have none.
	RevokedCertificates(ctx context.Context, at time.Time) ([]Certificate, error)
}
