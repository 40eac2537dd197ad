// Package client is the Go SDK for application providers. It asks a Mobile
// Signature Service Provider for the signature of one mobile user, over REST or
// SOAP, and returns the answer in the terms of package signum.
//
//   - [Client.Sign] asks for a signature and waits for the user. With
//     SignRequest.Async it returns at once; [Client.SignAndWait], [Client.Poll]
//     and [Client.Status] ask for the outcome.
//
//   - [Verify] checks the signature, of Signum or of another service. A party that
//     does not verify has none. [VerifyWith] has more options, such as the time.
//
//   - [Client.Receipt] shows the user a text after a signature.
//
//   - [Client.Profile] asks what a user can do.
//
//   - [Client.Do] sends a message as it is, for what the others do not cover.
//
//   - [LoadSandbox] reads from its directory what a client of a sandbox needs.
//
// The path of a call:
//
//	SignRequest ─▶ Sign ─▶ signum.SignatureRequest ─▶ Do ─▶ JSON or SOAP ─▶ TLS
//	signum.SignatureResponse, *signum.Fault or a transport error ◀─ decode ◀─┘
//
// It works with Signum and with the public Mobile ID service:
//
//	c, err := client.New(client.Config{
//		BaseURL: "https://mobileid.example.com",
//		APID:    "http://bank.example.com",
//		TLS:     &tls.Config{Certificates: []tls.Certificate{cert}},
//	})
//	if err != nil {
//		return err
//	}
//	resp, err := c.Sign(ctx, client.SignRequest{
//		MSISDN: "+41791234567",
//		Text:   "Bank: Login to e-banking?",
//		Lang:   "en",
//	})
//	switch f := signum.AsFault(err); {
//	case f != nil && f.Code == signum.UserCancel:
//		return errDeclined // the user said no
//	case err != nil:
//		return err
//	}
//	sig, err := client.Verify(resp.Signature, roots)
//
// # Errors
//
// A call returns one of these, to be found with errors.As:
//
//   - [*signum.Fault]: the service refused the request, or the transaction failed.
//     It has the code and detail that the service gave, the same over either wire.
//     A status that means failure becomes a Fault too, with the documented detail
//     of its code: 501 and 503, and for receipts and profile queries any but 100.
//   - [*AnswerError]: what came is no answer of a Mobile Signature Service, for
//     example the error page of a proxy.
//   - [*TransportError]: no complete answer came.
//   - [*TimeoutError]: a time limit ran out; it says which.
//   - An error that wraps context.Canceled, if the caller cancelled.
//
// # Modules
//
// A program that imports this package compiles two modules besides its own:
// Signum, and golang.org/x/crypto for the parsing of ASN.1. The databases,
// browsers and emulators of the service do not come along; a test of this package
// keeps it so. Package signum documents the promise of compatibility.
//
// # What the package must not know
//
// It is the other side of the wire and shares no code with the server's edges, so
// that each is a witness of the other. It must not know how the service works
// inside, and it keeps no state between calls: a transaction lives in the
// service, and its MSSP_TransID is all that is needed to go on.
package client
