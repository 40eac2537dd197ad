package signum_test

import (
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
)

// Faults are compared by code, whatever their detail says.
func ExampleFault() {
	err := fmt.Errorf("login: %w", signum.NewFault(signum.UserCancel)) // as a call returns it

	if errors.Is(err, &signum.Fault{Code: signum.UserCancel}) {
		fmt.Println("the user declined")
	}
	if f := signum.AsFault(err); f != nil {
		fmt.Println(int(f.Code), f.Code, f.Detail)
	}
	// Output:
	// the user declined
	// 401 USER_CANCEL User cancelled the request
}

// Codes that a later version adds can be told by their range.
func ExampleCode_Sender() {
	for _, c := range []signum.Code{signum.WrongParam, signum.UserCancel, 199} {
		fmt.Println(c, c.Known(), "caused by the request:", c.Sender())
	}
	// Output:
	// WRONG_PARAM true caused by the request: true
	// USER_CANCEL true caused by the request: false
	// CODE_199 false caused by the request: true
}

// A text is measured before it is sent: one character outside of the GSM alphabet
// more than halves what fits.
func ExampleTextFits() {
	for _, text := range []string{"Bank: Pay 10 €?", "Bank: Pay 10 €? ✓"} {
		ok, length, limit := signum.TextFits(text)
		fmt.Println(ok, length, "of", limit)
	}
	// Output:
	// true 16 of 239
	// true 17 of 119
}

// What the App signs are the rows, without the title: this is what the text of
// the signature must be equal to.
func ExampleTxnApproval() {
	t := signum.TxnApproval{Type: "Payment", Rows: []signum.TxnRow{
		{Key: "To", Value: "Bank: Alice Example"},
		{Key: "Amount", Value: "CHF 10.00"},
	}}
	fmt.Println(t.Fits(), t.Size(), "bytes")
	fmt.Println(t.String())
	fmt.Println(t.SignedContent())
	// Output:
	// true 36 bytes
	// {"type":"Payment","dtbd":[{"key":"To","value":"Bank: Alice Example"},{"key":"Amount","value":"CHF 10.00"}]}
	// {"format_version":1,"content_string":"[{\"key\":\"To\",\"value\":\"Bank: Alice Example\"},{\"key\":\"Amount\",\"value\":\"CHF 10.00\"}]"}
}

// A number in a log keeps its head and tail only.
func ExampleMaskMSISDN() {
	fmt.Println(signum.MaskMSISDN("+41791234164"))
	// Output: +41****64
}
