package main

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

type receiptFlags struct {
	partyFlags
	prefixFlags
	lang, encrypt string
	userAck, json bool
}

// noAnswer is the user_answer if the phone did not say what the user did.
const noAnswer = "NONE"

// userAnswers say what the user did, for people.
var userAnswers = map[string]string{
	string(signum.ReceiptAccepted):  "pressed OK",
	string(signum.ReceiptCancelled): "pressed Cancel",
	string(signum.ReceiptTimedOut):  "did not press a key while it was shown",
	noAnswer:                        "no answer from the phone: the text may or may not have been shown",
}

func newReceiptCmd() *cobra.Command {
	var f receiptFlags
	cmd := &cobra.Command{
		Use:   "receipt TRANS_ID MSISDN TEXT",
		Short: "Show the user a text after a signature",
		Long: `Has the phone of MSISDN show TEXT after the signature TRANS_ID (MSSP_TransID), such
as "Paid". Each signature can have one receipt; a failed one has none. TEXT must
start with the party's prefix. The sandbox's prefix is added unless it is there.

The command waits up to ` + signum.ReceiptWait.String() + ` for the user; with --user-ack=false it does not
wait. The exit code is 0 whatever the user does, because the service accepted the
receipt.

--encrypt encrypts the text for the RSA key of the SIM, so that nobody in between can
read it. (Apps, and SIMs with an EC key, have no such key.) "signum profile --json"
prints the certificate of the key.

` + partyHelp + `

With --json, standard output is one JSON object on one line. Fields that do not
apply are left out. If the service was not reached, nothing is printed:

  status            number: 100, or the code of the fault
  reason, detail    the name of the code; the service's explanation of a fault
  trans_id, msisdn  as given
  user_answer       "OK", "CANCEL", "TIMEOUT" (shown, no key pressed), or "NONE" (no
                    answer in time)
  fault_message     the service's explanation of that
  elapsed_ms        how long it took

` + exitCodesHelp,
		Example: `  id=$(signum sign --sandbox ./box --json +41791000001 "Pay 10 francs?" | jq -r .trans_id)
  signum receipt --sandbox ./box "$id" +41791000001 "Paid: 10 francs"
  signum receipt --sandbox ./box --json "$id" +41791000001 "Paid" | jq -r .user_answer

  # encrypted to the SIM's RSA key
  signum profile --sandbox ./box --json +41791000005 |
      jq -r '.sim.certificates[0].chain[0].der' > sim.b64
  signum receipt --sandbox ./box --encrypt sim.b64 "$id" +41791000005 "Your PUK: 1234"`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0], args[1], args[2]) },
	}
	f.partyFlags.register(cmd)
	f.prefixFlags.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.lang, "lang", client.DefaultLang, "language of the phone's dialogue: en, de, fr or it")
	fl.BoolVar(&f.userAck, "user-ack", true, "wait for what the user does")
	fl.StringVar(&f.encrypt, "encrypt", "", "certificate of the SIM's RSA key (PEM, DER or Base64)")
	fl.BoolVar(&f.json, "json", false, "print one JSON object, for scripts")
	return cmd
}

func (f *receiptFlags) run(cmd *cobra.Command, transID, msisdn, text string) error {
	p, c, err := f.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	req := client.ReceiptRequest{TransID: transID, MSISDN: msisdn, Text: f.start(p, text), Lang: f.lang, UserAck: f.userAck}
	if f.encrypt != "" {
		der, err := readDER(cmd.InOrStdin(), f.encrypt)
		if err == nil {
			req.EncryptTo, err = x509.ParseCertificate(der)
		}
		if err != nil {
			return fmt.Errorf("--encrypt %s: %w", f.encrypt, err)
		}
	}
	live := newProgress(cmd.ErrOrStderr())
	if f.userAck {
		live.begin(msisdn, signum.ReceiptWait)
	}
	r := result{TransID: transID, MSISDN: msisdn}
	start := time.Now()
	resp, err := c.Receipt(cmd.Context(), req)
	r.ElapsedMS = time.Since(start).Milliseconds()
	live.done()
	if err != nil {
		return failed(cmd, r, f.json, err)
	}
	r.Status, r.Reason = int(resp.Status), resp.Status.String()
	if f.userAck {
		r.UserAnswer = cmp.Or(string(client.UserAnswer(resp)), noAnswer)
	}
	if e := resp.Extension; e != nil {
		r.FaultMessage = e.FaultMessage
	}
	return r.print(cmd.OutOrStdout(), f.json)
}

// readDER reads the file of a certificate and removes PEM or Base64. DER starts with a SEQUENCE
// (0x30), which is the digit 0 as text. Data that decodes as Base64 is taken for Base64.
func readDER(stdin io.Reader, name string) ([]byte, error) {
	data, err := readFile(stdin, name)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil {
		return block.Bytes, nil
	}
	if der, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data))); err == nil && len(der) > 0 {
		return der, nil
	}
	return data, nil
}
