// Package ca is the certification authority for the subscribers' keys: a root, an
// issuing CA below it, the certificates that it issues, and the services that
// publish their status (CRL, OCSP, the CA certificates themselves).
//
//	Create / Load ─▶ Authority (keys and CA certificates, former issuing CAs)
//	                     │
//	New(Authority, CertificateStore) ─▶ Issuer ─┬▶ Issue, Revoke
//	                                            └▶ Handler: CRL, OCSP, caIssuers
//
// A former issuing CA issues no more, but its certificates stay in use until they
// expire. Chain, CRL and OCSP therefore answer for it as before, each signed with
// the key of the CA concerned.
//
// The order of steps when a certificate is issued makes the state clear after a
// crash:
//
//	template ─▶ sign with a throwaway key ─▶ lint ─▶ store the intent
//	         ─▶ sign the linted bytes ─▶ verify ─▶ store the certificate
//
// The CA thus signs exactly what was linted, and no certificate exists that the
// store does not know. Keys are behind crypto.Signer.
//
// The package must not know subscribers beyond their account serial, devices beyond
// their ID, transactions, or how signatures are answered. It does not verify that a
// key belongs to the device: the caller of Issue has done that.
package ca
