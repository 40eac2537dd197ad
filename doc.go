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
// # Compatibility
//
// This package and package client follow semantic versioning: within a major
// version no exported name is removed and none changes its meaning. New fields
// may be added to structs, so write composite literals with field names. New
// codes and services may be added, so treat an unknown [Code] by its range and
// ignore an unknown service.
//
// The package knows neither how a message is encoded nor what a service keeps
// of it. It imports the standard library only.
package signum
