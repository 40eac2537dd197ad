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
