package main

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
)

func newProfileCmd() *cobra.Command {
	var f partyFlags
	var params string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "profile MSISDN",
		Short: "Ask what a mobile user can do",
		Long: `Asks the service which signature profiles the party can use with the user of MSISDN
now, and what else --params names:

  sscds        the devices: SIM and Apps
  state        their states: ACTIVE, INACTIVE, or REGISTERED (known, but without a key)
  certs        their certificates
  pinstatus    whether their PINs are blocked
  carddetails  the mobile network of the SIM
  rcstatus     whether the user has a recovery code
  aastatus     whether a signature request would activate the SIM

` + partyHelp + `

With --json, standard output is one JSON object on one line. It has only the fields
that were asked for:

  status, reason         100 REQUEST_OK, or the fault, with detail
  msisdn, profiles       the number as given; URIs
  recovery_code_created, auto_activation
  sim, apps              a device, and an array of them: state, pin_blocked,
                         certificates (algorithm, state, chain of der and subject,
                         the user's first), network (mcc, mnc, name)

` + exitCodesHelp,
		Example: `  signum profile --sandbox ./box +41791000003
  signum profile --sandbox ./box --soap --params "sscds pinstatus" +41791000003
  signum profile --sandbox ./box --json +41791000003 | jq -r '.apps[].state'`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, c, err := f.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			resp, err := c.Profile(cmd.Context(), args[0], strings.Fields(params)...)
			if err != nil {
				return failed(cmd, result{MSISDN: args[0]}, asJSON, err)
			}
			r := newProfileResult(args[0], resp)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&params, "params", strings.Join(signum.ProfileParams, " "), `what to ask for in addition to the profiles; "" for nothing`)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

// The output of profile with --json. Fields are only ever added.
type (
	profileResult struct {
		Status         int      `json:"status"`
		Reason         string   `json:"reason"`
		MSISDN         string   `json:"msisdn"`
		Profiles       []string `json:"profiles"`
		RecoveryCode   *bool    `json:"recovery_code_created,omitempty"`
		AutoActivation *bool    `json:"auto_activation,omitempty"`
		SIM            *device  `json:"sim,omitempty"`
		Apps           []device `json:"apps,omitempty"`
	}
	device struct {
		State        signum.DeviceState `json:"state,omitempty"`
		PINBlocked   *bool              `json:"pin_blocked,omitempty"`
		Certificates []certificate      `json:"certificates,omitempty"`
		Network      *network           `json:"network,omitempty"`
	}
	certificate struct {
		Algorithm signum.KeyType     `json:"algorithm,omitempty"`
		State     signum.DeviceState `json:"state,omitempty"`
		Chain     []chainLink        `json:"chain"`
	}
	chainLink struct {
		DER     []byte `json:"der"` // Base64
		Subject string `json:"subject,omitempty"`
	}
	network struct {
		MCC  string `json:"mcc"`
		MNC  string `json:"mnc"`
		Name string `json:"name"`
	}
)

func newProfileResult(msisdn string, resp *signum.ProfileResponse) *profileResult {
	r := &profileResult{
		Status: int(resp.Status), Reason: resp.Status.String(), MSISDN: msisdn,
		Profiles: append([]string{}, resp.Profiles...),
	}
	e := resp.Extension
	if e == nil {
		return r
	}
	if u := e.User; u != nil {
		r.RecoveryCode, r.AutoActivation = u.RecoveryCodeCreated, u.AutoActivation
	}
	if all := e.SSCDs; all != nil {
		if all.SIM != nil {
			sim := newDevice(all.SIM)
			r.SIM = &sim
		}
		for i := range all.Apps {
			r.Apps = append(r.Apps, newDevice(&all.Apps[i]))
		}
	}
	return r
}

func newDevice(s *signum.SSCD) device {
	d := device{State: s.State, PINBlocked: s.PINBlocked}
	if s.Card != nil {
		d.Network = &network{MCC: s.Card.MCC, MNC: s.Card.MNC, Name: s.Card.Name}
	}
	for _, c := range s.Certificates {
		out := certificate{Algorithm: c.Algorithm, State: c.State, Chain: []chainLink{}}
		for _, link := range c.Chain {
			out.Chain = append(out.Chain, chainLink(link))
		}
		d.Certificates = append(d.Certificates, out)
	}
	return d
}

// print writes the result for people.
func (r *profileResult) print(w io.Writer) error {
	var t rows
	t.add("Status", fmt.Sprintf("%d %s", r.Status, r.Reason))
	t.add("Number", r.MSISDN)
	for i, uri := range r.Profiles {
		name := "Profiles"
		if i > 0 {
			name = ""
		}
		t.add(name, fmt.Sprintf("%-9s %s", profileName(uri), uri))
	}
	t.add("Recovery", choose(r.RecoveryCode, "the user has a recovery code", "the user has no recovery code"))
	t.add("Activation", choose(r.AutoActivation, "a signature request would activate the SIM", "a signature request would activate nothing"))
	if r.SIM != nil || len(r.Apps) != 0 {
		fmt.Fprintln(&t)
		r.devices(&t)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// devices writes a table with a line for each certificate of each device.
func (r *profileResult) devices(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DEVICE\tSTATE\tPIN\tNETWORK\tKEY\tCERTIFICATE")
	if r.SIM != nil {
		r.SIM.lines(t, "SIM")
	}
	for i := range r.Apps {
		r.Apps[i].lines(t, fmt.Sprintf("App %d", i+1))
	}
	t.Flush()
}

func (d *device) lines(w io.Writer, name string) {
	card := ""
	if n := d.Network; n != nil {
		card = fmt.Sprintf("%s-%s %s", n.MCC, n.MNC, n.Name)
	}
	certs := d.Certificates
	if len(certs) == 0 {
		certs = []certificate{{}} // a device without one gets a line too
	}
	head := []string{name, string(d.State), choose(d.PINBlocked, "blocked", "ok"), card}
	for _, c := range certs {
		cells := append(head, string(c.Algorithm), c.String())
		for i := range cells {
			cells[i] = cmp.Or(printable(cells[i]), "-")
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
}

// String returns the state, the end and the subject of the user's certificate.
func (c *certificate) String() string {
	if len(c.Chain) == 0 {
		return string(c.State)
	}
	parts := []string{cmp.Or(string(c.State), "state unknown")}
	if x, err := x509.ParseCertificate(c.Chain[0].DER); err == nil {
		parts = append(parts, "until "+x.NotAfter.UTC().Format(time.DateOnly))
	}
	return strings.Join(append(parts, c.Chain[0].Subject), " ")
}

// choose returns one of two texts, or nothing if b is not known.
func choose(b *bool, yes, no string) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return yes
	}
	return no
}
