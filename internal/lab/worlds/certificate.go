package worlds

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Validity of the certificate of a world's parties.
const (
	backdate = 5 * time.Minute
	lifetime = 3 * 365 * 24 * time.Hour
)

// certify makes the certificate that identifies all parties of the world. TLS is about real
// time, whatever time it is in the world.
func (w *World) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Signum sandbox TEST AP of " + w.Name, Organization: []string{"Signum sandbox"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	w.Pin, w.key = mssp.PinOf(der), key
	w.Certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	w.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return nil
}

// PKCS12 returns certificate and key in PKCS #12, with algorithms that every program reads.
func (w *World) PKCS12(password string) ([]byte, error) {
	block, _ := pem.Decode(w.Certificate)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	return pkcs12.LegacyDES.Encode(w.key, cert, nil, password)
}
