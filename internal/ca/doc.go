// Package ca is the certification authority of the subscribers' keys: a root,
// an issuing CA below it, the certificates it issues, and what tells others of
// their state (CRL, OCSP, the CA certificates themselves).
//
//	Create / Load ─▶ Authority (keys and CA certificates)
//	                     │
//	New(Authority, CertificateStore) ─▶ Issuer ─┬▶ Issue, Revoke
//	                                            └▶ Handler: CRL, OCSP, caIssuers
//
// A certificate is issued in an order that leaves no doubt after a crash:
//
//	template ─▶ sign with a throwaway key ─▶ lint ─▶ store the intent
//	         ─▶ sign the linted bytes ─▶ verify ─▶ store the certificate
//
// What the CA signs is therefore exactly what was linted, and no certificate
// exists that the store does not know. Keys are behind crypto.Signer.
//
// The package must not know subscribers beyond their account serial, devices
// beyond their ID, transactions, or how signatures are answered. It does not
// prove that a key is its device's: whoever calls Issue has seen that.
package ca
