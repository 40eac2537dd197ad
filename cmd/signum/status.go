package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

type statusFlags struct {
	partyFlags
	out        string
	wait, json bool
	interval   time.Duration
}

func newStatusCmd() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status TRANS_ID",
		Short: "Ask for the outcome of an asynchronous signature",
		Long: `Asks the service for the state of the transaction TRANS_ID (MSSP_TransID): status
504 while the user has not answered, which is not an error; then 500 with the
signature, or 100 without one for a one-time password that was sent.

The signature is verified if the root of the users' certificates is known. The
command does not know which text should have been signed, so check the text.

` + partyHelp + `

` + jsonHelp + `

` + exitCodesHelp,
		Example: `  signum status --sandbox ./box h4iof
  signum status --sandbox ./box --wait --out login.der h4iof`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.register(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.wait, "wait", false, "poll until the outcome is known")
	fl.DurationVar(&f.interval, "interval", client.DefaultPollInterval, "how often to poll with --wait")
	fl.StringVar(&f.out, "out", "", "file to store the CMS in (DER)")
	fl.BoolVar(&f.json, "json", false, "print one JSON object, for scripts")
	return cmd
}

func (f *statusFlags) run(cmd *cobra.Command, transID string) error {
	p, c, err := f.connect()
	if err != nil {
		return err
	}
	defer c.Close()

	var resp *signum.StatusResponse
	if f.wait {
		live := newProgress(cmd.ErrOrStderr())
		resp, err = c.Poll(cmd.Context(), transID, f.interval, live.update)
		live.done()
	} else {
		resp, err = c.Status(cmd.Context(), transID)
	}
	if err != nil {
		return failed(cmd, result{TransID: transID}, f.json, err)
	}
	r := result{
		Status: int(resp.Status), Reason: resp.Status.String(), TransID: transID,
		MSISDN: resp.MSISDN, CMS: resp.Signature,
	}
	r.services(resp.Services)
	if len(r.CMS) == 0 {
		return r.print(cmd.OutOrStdout(), f.json)
	}
	return finish(cmd, &r, p.trust, nil, f.out, f.json)
}
