package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// A client of a service: its certificate identifies the party.
func ExampleNew() {
	cert, err := tls.LoadX509KeyPair("ap.crt", "ap.key")
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(client.Config{
		BaseURL: "https://mobileid.example.com",
		APID:    "http://bank.example.com",
		TLS:     &tls.Config{Certificates: []tls.Certificate{cert}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
}

// A signature in the sandbox, from request to verification.
func ExampleClient_Sign() {
	sandbox, err := client.LoadSandbox("sandbox")
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(sandbox.Config)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	text := sandbox.DTBDPrefix + "Login to e-banking?"
	resp, err := c.Sign(context.Background(), client.SignRequest{
		MSISDN: sandbox.Users[0].MSISDN,
		Text:   text,
		Lang:   "en",
	})
	if f := signum.AsFault(err); f != nil && f.Code == signum.UserCancel {
		fmt.Println("the user said no")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	sig, err := client.Verify(resp.Signature, sandbox.UserRoots)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sig.Text == text, sig.Serial)
}

// The asynchronous mode, with its progress.
func ExampleClient_SignAndWait() {
	c, err := client.New(client.Config{BaseURL: "https://mobileid.example.com", SOAP: true, APID: "http://bank.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := c.SignAndWait(context.Background(), client.SignRequest{MSISDN: "+41791234567", Text: "Bank: Pay?"},
		2*time.Second, func(p client.Progress) { fmt.Println(p.TransID, p.Status, p.Waited) })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Status, len(resp.Signature))
}

// A one-time password, which is sent to the user as a short message. Nothing is
// signed.
func ExampleClient_Sign_oneTimePassword() {
	c, err := client.New(client.Config{BaseURL: "https://mobileid.example.com", APID: "http://bank.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Sign(context.Background(), client.SignRequest{
		MSISDN: "+41791234567", Text: "Bank: Your code is 417905", Profile: signum.ProfileOTPText,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sent")
}

// The outcome of a transaction that an earlier process began: its MSSP_TransID is
// all that is needed.
func ExampleClient_Poll() {
	c, err := client.New(client.Config{BaseURL: "https://mobileid.example.com", APID: "http://bank.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	resp, err := c.Poll(ctx, "hcprywbk76p56eyal", 0, nil)
	var timeout *client.TimeoutError
	switch f := signum.AsFault(err); {
	case f != nil:
		fmt.Println("it failed:", f)
	case errors.As(err, &timeout):
		fmt.Println("no outcome yet:", timeout)
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println("signed:", len(resp.Signature), "bytes")
	}
}

// The check of a stored signature, long after it was made.
func ExampleVerify() {
	roots, err := client.LoadRoots("user-ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	der, err := os.ReadFile("login.cms")
	if err != nil {
		log.Fatal(err)
	}
	sig, err := client.Verify(der, roots)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s signed %q at %s\n", sig.Serial, sig.Text, sig.SigningTime)
}

// A code on the party's page: a user who did not ask for this does not know which
// one to choose.
func ExampleVerificationCode() {
	c, err := client.New(client.Config{BaseURL: "https://mobileid.example.com", APID: "http://bank.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := c.SignAndWait(context.Background(), client.SignRequest{
		MSISDN: "+41791234567", Text: "Bank: Login?", Profile: signum.ProfileDevice, VerificationCode: true,
	}, 0, func(p client.Progress) {
		if code := client.VerificationCode(p.Services); code != "" {
			fmt.Println("Choose this code in the App:", code)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Status)
}

// A transaction approval: rows that an App shows, and a receipt afterwards.
func ExampleClient_Receipt() {
	sandbox, err := client.LoadSandbox("sandbox")
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(sandbox.Config)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	txn := &signum.TxnApproval{Type: "Payment", Rows: []signum.TxnRow{
		{Key: "To", Value: sandbox.DTBDPrefix + "Alice Example"},
		{Key: "Amount", Value: "CHF 10.00"},
	}}
	resp, err := c.Sign(context.Background(), client.SignRequest{MSISDN: "+41791000002", Txn: txn})
	if err != nil {
		log.Fatal(err)
	}
	sig, err := client.Verify(resp.Signature, sandbox.UserRoots)
	if err != nil || sig.Text != txn.SignedContent() {
		log.Fatal("another transaction was signed: ", err)
	}
	receipt, err := c.Receipt(context.Background(), client.ReceiptRequest{
		TransID: resp.TransID, MSISDN: resp.MSISDN, Text: sandbox.DTBDPrefix + "Paid CHF 10.00", UserAck: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.UserAnswer(receipt) == signum.ReceiptAccepted)
}

// What a user can do, asked before a signature.
func ExampleClient_Profile() {
	c, err := client.New(client.Config{BaseURL: "https://mobileid.example.com", APID: "http://bank.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := c.Profile(context.Background(), "+41791234567", signum.ParamSSCDs, signum.ParamPINStatus)
	if errors.Is(err, &signum.Fault{Code: signum.UnknownClient}) {
		fmt.Println("no account")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("profiles:", resp.Profiles)
	if e := resp.Extension; e != nil && e.SSCDs != nil {
		for _, app := range e.SSCDs.Apps {
			fmt.Println("app:", app.State, app.PINBlocked != nil && *app.PINBlocked)
		}
	}
}

// Where the phone was. A policy in the request refuses users elsewhere.
func ExampleLocation() {
	c, err := client.New(client.Config{BaseURL: "https://mobileid.example.com", APID: "http://bank.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := c.Sign(context.Background(), client.SignRequest{
		MSISDN: "+41791234567", Text: "Bank: Open the safe?", Profile: signum.ProfileAnyGeo,
		Geofencing: &signum.GeofencingPolicy{CountryWhitelist: "CH,LI", MaxTimestampMinutes: "10"},
	})
	if errors.Is(err, &signum.Fault{Code: signum.GeofencingViolation}) {
		fmt.Println("not from here")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	if l := client.Location(resp.Services); l != nil && l.ErrorCode == "" {
		fmt.Println(l.Country, l.Accuracy)
	}
}

// An app of the party opens the one that signs, which opens the party's when the
// user is done.
func ExampleAuthURI() {
	c, err := client.New(client.Config{BaseURL: "https://mobileid.example.com", APID: "http://bank.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := c.SignAndWait(context.Background(), client.SignRequest{
		MSISDN: "+41791234567", Text: "Bank: Pay?", Profile: signum.ProfileDevice, App2App: "mybank://signed",
	}, 0, func(p client.Progress) {
		if uri := client.AuthURI(p.Services); uri != "" {
			fmt.Println("open", uri) // by the party's app, on the phone
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Status)
}

// Faults are compared by code.
func Example_faults() {
	err := fmt.Errorf("login: %w", signum.NewFault(signum.UserCancel)) // as Sign returns it

	switch f := signum.AsFault(err); {
	case f == nil:
		fmt.Println("no fault")
	case errors.Is(err, &signum.Fault{Code: signum.UserCancel}):
		fmt.Println("the user said no:", f.Detail)
	default:
		fmt.Println(f)
	}
	// Output: the user said no: User cancelled the request
}
