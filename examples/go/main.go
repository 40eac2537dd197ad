// Command go is a log-in with the Go client of Signum.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

const number = "+41791000001"

func main() {
	sandbox, err := client.LoadSandbox(os.Getenv("SIGNUM_SANDBOX"))
	check(err)
	c, err := client.New(sandbox.Config)
	check(err)
	defer c.Close()

	// The user approves. Verify the signature, and compare the text.
	ask := client.SignRequest{MSISDN: number, Text: sandbox.DTBDPrefix + "Log in to example.com?", Lang: "en"}
	answer, err := c.Sign(context.Background(), ask)
	check(err)
	signature, err := client.Verify(answer.Signature, sandbox.UserRoots)
	check(err)
	if signature.Text != ask.Text {
		log.Fatalf("the user signed another text: %q", signature.Text)
	}
	fmt.Println("signed:", signature.Text)

	// The user refuses.
	behave(sandbox, "cancel")
	defer behave(sandbox, "approve")
	_, err = c.Sign(context.Background(), ask)
	if f := signum.AsFault(err); f == nil || f.Code != signum.UserCancel {
		log.Fatalf("want 401 USER_CANCEL, got %v", err)
	}
	fmt.Println("refused: 401")
}

// behave tells the sandbox what the user does from now on.
func behave(sandbox *client.Sandbox, behaviour string) {
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: sandbox.Config.TLS}}
	body := fmt.Sprintf(`{"msisdn":%q,"behaviour":%q}`, number, behaviour)
	answer, err := web.Post(sandbox.BaseURL+"/sandbox/phone", "application/json", strings.NewReader(body))
	check(err)
	answer.Body.Close()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
