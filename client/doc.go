// Package client is the Go SDK for application providers: it asks a Mobile
// Signature Service Provider for the signature of one mobile user, over REST
// or SOAP, and returns what the service said in the terms of package signum.
// It also asks what a user can do (Profile), and shows the user a text after a
// signature (Receipt).
//
//	SignRequest ─▶ Sign ─▶ signum.SignatureRequest ─▶ Do ─▶ JSON or SOAP ─▶ TLS
//	signum.SignatureResponse, *signum.Fault or a transport error ◀─ decode ◀─┘
//
// It works against Signum and against the public Mobile ID service:
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
//		// the user said no
//	case err != nil:
//		return err
//	}
//	sig, err := client.Verify(resp.Signature, roots)
//
// # Errors
//
// What the service refuses, and every transaction that failed, is a
// *signum.Fault with the code and detail the service gave, the same value over
// either wire. A status of an answer that means failure (501, 503) is a Fault
// too, with the documented detail of its code; for receipts and profile queries
// that is any but 100. What is no answer of a Mobile
// Signature Service is an [*AnswerError] (a proxy's error page), what never
// became an answer a [*TransportError], and each time limit says its name in a
// [*TimeoutError].
//
// The package is the other side of the wire and shares no code with the server's
// edges, so that each is a witness of the other. It must not know how the
// service works inside, and it keeps no state between calls: a transaction
// lives in the service, and its MSSP_TransID is all that is needed to go on.
package client
