// Package cms makes and checks the CMS SignedData (RFC 5652) that carries a mobile
// signature. The private key is on a phone, so the structure is made in two
// steps:
//
//	certificate ─▶ ParseSigner ─┐
//	text, time  ────────────────┴▶ SignedAttributes ─▶ phone: MessageDigest, sign
//	                                                     │
//	CMS ◀─ Assemble ◀─ Signer.Verify ◀── signature ──────┘
//
// The receiver goes the other way: Parse, or ParseBER for what other services make,
// then SignedData.Verify.
//
// The output always has the same shape: version 1, the text encapsulated as
// id-data, SHA-256, one SignerInfo by issuer and serial number, four signed
// attributes, and the certificates in the order leaf, issuing CA, root. It is DER
// except for that order: DER would sort the SET OF certificates, but validators in
// use build their path in stored order. The input may come from other providers
// too.
//
// The package must not know transactions, stores, revocation, or where a
// certificate comes from. It does no I/O, has no clock, and imports only the
// standard library and cryptobyte.
package cms
