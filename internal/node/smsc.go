package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
)

// newSMSCs is nil if none is configured.
func (n *Node) newSMSCs() (*group.Group, error) {
	list, err := n.smscsOf(n.cfg.SIM.SMSCs)
	if len(list) == 0 || err != nil {
		return nil, err
	}
	return group.New(list)
}

func (n *Node) smscsOf(configured []config.SMSC) (list []group.SMSC, err error) {
	for _, c := range configured {
		secure, err := c.TLS.Config()
		if err != nil {
			return nil, fmt.Errorf("SMSC %s: %w", c.Name, err)
		}
		list = append(list, group.SMSC{Name: c.Name, Weight: c.Weight, Style: styleOf(&c), Client: n.smppClient(&c, secure), Connection: connectionOf(c)})
	}
	return list, nil
}

// connectionOf is the SMSC without what can change while its sessions go on.
func connectionOf(c config.SMSC) config.SMSC {
	d := config.DefaultSMSC()
	c.Weight, c.Cluster, c.ServiceType, c.Source, c.TextSource, c.Destination = d.Weight, d.Cluster, d.ServiceType, d.Source, d.TextSource, d.Destination
	c.Alphabet, c.Validity, c.Mode, c.Receipts, c.PasswordFile = d.Alphabet, d.Validity, d.Mode, d.Receipts, d.PasswordFile
	return c
}

func (n *Node) smppClient(c *config.SMSC, secure *tls.Config) smpp.ClientConfig {
	return smpp.ClientConfig{
		Addr: string(c.Address), TLS: secure, SystemID: c.SystemID, Password: c.Password.Reveal(), SystemType: c.SystemType,
		Sessions: smpp.Sessions{Transceivers: c.Transceivers, Transmitters: c.Transmitters, Receivers: c.Receivers}, Window: c.Window, Rate: float64(c.Rate),
		EnquireLink: c.EnquireLink, ResponseTimeout: c.ResponseTimeout, DialTimeout: c.DialTimeout,
		Events: n.events, Logger: n.deps.Logger,
		Deliver: func(ctx context.Context, d *smpp.DeliverSM, e *event.Event) smpp.Status {
			return n.SIMs.Deliver(ctx, c.Name, d, e)
		},
	}
}

// styleOf translates what the operator says about an SMSC.
func styleOf(c *config.SMSC) group.Style {
	ton, npi := c.Destination.Codes(config.Numbering{TON: "international", NPI: "isdn"})
	s := group.Style{
		ServiceType: c.ServiceType, Source: addressOf(c.Source), TextSource: addressOf(c.TextSource),
		DestTON: &ton, DestNPI: &npi, MaxValidity: c.Validity, NoReceipts: !c.Receipts,
		Alphabet: map[config.Alphabet]group.Alphabet{config.AlphabetLatin1: group.Latin1, config.AlphabetUCS2: group.UCS2}[c.Alphabet],
	}
	if mode, other := map[config.Mode]byte{config.ModeDefault: smpp.ModeDefault, config.ModeStore: smpp.ModeStoreAndForward}[c.Mode]; other {
		s.Mode = &mode
	}
	if s.TextSource.Addr == "" {
		s.TextSource = s.Source
	}
	return s
}

func addressOf(s config.Sender) smpp.Address {
	if s.Address == "" {
		return smpp.Address{}
	}
	ton, npi := s.Codes()
	return smpp.Address{TON: ton, NPI: npi, Addr: s.Address}
}

// smscStats are the figures of the SMSCs.
func (n *Node) smscStats() []group.Stats {
	if n.smscs == nil {
		return nil
	}
	return n.smscs.Stats()
}

// smscFigures are one figure of each SMSC.
func (n *Node) smscFigures(of func(*group.Stats) uint64) func() map[string]uint64 {
	return func() map[string]uint64 {
		figures := make(map[string]uint64)
		for _, s := range n.smscStats() {
			figures[s.Name] = of(&s)
		}
		return figures
	}
}

// observeSMSCs lets metrics ask for the figures of the SMSCs. Their names are from the
// configuration, so that there are few.
func (n *Node) observeSMSCs() {
	m := n.metrics
	m.Gauges("signum_smpp_sessions_bound", "SMPP sessions that are bound.", "smsc", n.smscFigures(func(s *group.Stats) uint64 { return uint64(s.Bound.Total()) }))
	m.Gauges("signum_smpp_sessions_wanted", "SMPP sessions that should be bound.", "smsc", n.smscFigures(func(s *group.Stats) uint64 { return uint64(s.Wanted.Total()) }))
	m.Counters("signum_smpp_submits_total", "Short messages that the SMSC took.", "smsc", n.smscFigures(func(s *group.Stats) uint64 { return s.Taken }))
	m.Counters("signum_smpp_refusals_total", "Short messages that the SMSC refused.", "smsc", n.smscFigures(func(s *group.Stats) uint64 { return s.Refused }))
	m.Counters("signum_smpp_unanswered_total", "Short messages that were sent and not answered in time.", "smsc", n.smscFigures(func(s *group.Stats) uint64 { return s.Unanswered }))
	m.Counters("signum_smpp_unsent_total", "Short messages that no session or window had room for.", "smsc", n.smscFigures(func(s *group.Stats) uint64 { return s.Unsent }))
	m.Counters("signum_smpp_holds_total", "How often a session began to hold its messages back because of load.", "smsc", n.smscFigures(func(s *group.Stats) uint64 { return s.Client.Closed }))
	m.Gauges("signum_smpp_sessions_holding", "SMPP sessions that hold their messages back because of load.", "smsc", n.smscFigures(func(s *group.Stats) uint64 { return uint64(s.Client.Held) }))
	m.Counters("signum_smpp_refusals_by_status_total", "Short messages that an SMSC refused, by command_status.", "status", n.smppSums(func(s *smpp.Stats, add func(string, uint64)) {
		add(smpp.StatusThrottled.String(), 0) // there from the start, for alerts
		add(smpp.StatusMsgQFull.String(), 0)
		for status, count := range s.Refused {
			add(status.String(), count)
		}
	}))
	m.Counters("signum_smpp_waits_total", "Short messages that had to wait, by what they waited for.", "reason", n.smppSums(func(s *smpp.Stats, add func(string, uint64)) {
		for reason, count := range s.Waited {
			add(reason, count)
		}
	}))
}

// smppSums are counts of all SMSCs together.
func (n *Node) smppSums(of func(s *smpp.Stats, add func(string, uint64))) func() map[string]uint64 {
	return func() map[string]uint64 {
		sums := map[string]uint64{}
		for _, s := range n.smscStats() {
			of(&s.Client, func(key string, count uint64) { sums[key] += count })
		}
		return sums
	}
}

// smscBound fails unless messages can be sent to, and received from, one SMSC.
func (n *Node) smscBound(context.Context) error {
	if n.smscs.Bound() == 0 {
		return errors.New("no SMSC is bound for both directions")
	}
	return nil
}

// smscList says of each SMSC how many sessions are bound.
func (n *Node) smscList() string {
	var list strings.Builder
	for _, s := range n.smscStats() {
		mark := "+"
		if !s.Bound.BothWays() {
			mark = "-"
		}
		fmt.Fprintf(&list, "    [%s] %s: %d of %d sessions bound", mark, s.Name, s.Bound.Total(), s.Wanted.Total())
		if s.Bound.Total() > 0 && s.Bound.Submit() == 0 {
			list.WriteString(", none that can send")
		}
		if s.Bound.Total() > 0 && s.Bound.Deliver() == 0 {
			list.WriteString(", none that can receive")
		}
		if s.Throttled {
			list.WriteString("; it throttles")
		}
		list.WriteByte('\n')
	}
	return list.String()
}

// clustersOf are the clusters of SMSCs by their names. A cluster is not taken for an SMSC
// of the same name that is not in it.
func clustersOf(list []config.SMSC) map[string]string {
	all := make(map[string]string)
	for _, c := range list {
		if c.Cluster != "" {
			all[c.Name] = "cluster " + c.Cluster
		}
	}
	return all
}
