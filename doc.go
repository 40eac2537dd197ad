// Package signum holds what an application provider (AP) and a Mobile
// Signature Service Provider (MSSP) say to each other: the messages, status
// codes, faults, signature profiles and additional services of ETSI TS 102 204,
// in the dialect of Swisscom Mobile ID.
//
// An AP asks the MSSP for the signature of one mobile user ([SignatureRequest]).
// The MSSP chooses a method ([SIM] or [App]), has the user's phone show the
// data to be displayed (DTBD) and sign it, and answers with a CMS
// ([SignatureResponse]) or a [Fault]. Package client sends these messages over
// REST or SOAP; most programs need that package and only the constants of
// this one.
//
// # Contents
//
//   - Outcomes and errors: [Code], [Fault], [NewFault], [AsFault].
//   - Messages: a [Request] and a [Response] for each [Operation]. They hold the
//     text of the wire; nothing in them is checked.
//   - What can be asked of whom: [Method], [KeyType], [DeviceState], and the URIs
//     of signature profiles (ProfileAnyLoA4 and the like) and of additional
//     services (ServiceUserLang and the like).
//   - Texts: [TextFits] tells whether a phone can show one; [TxnApproval] is a
//     text in rows; [SignedContent] is what the phone signs.
//
// # Compatibility
//
// This package and package client follow semantic versioning: within a major
// version no exported name is removed, and none changes its meaning. Three things
// may be added, so be prepared for them:
//
//   - Fields of structs. Write composite literals with field names.
//   - Codes. Treat an unknown [Code] by its range: see [Code.IsStatus] and
//     [Code.Sender].
//   - Services, profiles and methods. Ignore what you do not know in an answer.
//
// The packages below internal make no promise and cannot be imported.
//
// The package knows neither how a message is encoded nor what a service keeps
// of it. It imports the standard library only.
package signum
