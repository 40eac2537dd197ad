// Package cms makes and checks the CMS SignedData (RFC 5652) in which a mobile
// signature is answered. The private key is on a phone, so the structure is
// made in two steps:
//
//	certificate ─▶ ParseSigner ─┐
//	text, time  ────────────────┴▶ SignedAttributes ─▶ phone: MessageDigest, sign
//	                                                     │
//	CMS ◀─ Assemble ◀─ Signer.Verify ◀── signature ──────┘
//
// and whoever receives it goes the other way: Parse, then SignedData.Verify.
//
// What is made is always the same shape: version 1, the text encapsulated as
// id-data, SHA-256, one SignerInfo by issuer and serial number, four signed
// attributes, and the certificates in the order leaf, issuing CA, root. It is
// DER but for that order: a SET OF would be sorted, and validators in use build
// their path in stored order. What is read may also come from other providers.
//
// The package must not know transactions, stores, revocation, or where a
// certificate comes from. It does no I/O, has no clock, and imports the
// standard library and cryptobyte only.
package cms
