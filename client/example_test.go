package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// A signature over the sandbox, from request to verification.
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

// The asynchronous mode, with progress.
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

// What a user can do, before asking for it.
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

// Where the phone was. Without a policy of its own, that of the party holds.
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
		fmt.Println("not from there")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	if l := client.Location(resp.Services); l != nil && l.ErrorCode == "" {
		fmt.Println(l.Country, l.Accuracy)
	}
}

// An app of the party calls the one that signs, and is called back.
func ExampleAuthURI() {
	c, err := client.New(client.Config{BaseURL: "https://mobileid.example.com", APID: "http://bank.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := c.SignAndWait(context.Background(), client.SignRequest{
		MSISDN: "+41791234567", Text: "Bank: Pay?", Profile: signum.ProfileDevice, App2App: "mybank://signed",
	}, 0, func(p client.Progress) {
		if uri := client.AuthURI(p.Services); uri != "" {
			fmt.Println("open", uri) // the app on the phone does
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
