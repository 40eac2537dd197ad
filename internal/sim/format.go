package sim

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
)

// Format writes the exchange as text: a headline, and a line for each layer.
func (e Exchange) Format(w io.Writer) {
	var b strings.Builder
	b.WriteString(e.Time.UTC().Format("15:04:05.000"))
	if s := e.SMPP; s != nil {
		arrow := "→"
		if s.Command != "submit_sm" {
			arrow = "←"
		}
		fmt.Fprintf(&b, " %s %s", arrow, s.Command)
	} else {
		b.WriteString(" ·")
	}
	if e.TransID != "" {
		fmt.Fprintf(&b, " %s", e.TransID)
	}
	if e.Node != "" {
		fmt.Fprintf(&b, " at %s:", e.Node)
	}
	if e.SMPP == nil {
		fmt.Fprintf(&b, " %s\n", strings.Join(e.Notes, "; "))
	} else {
		b.WriteByte('\n')
		e.SMPP.format(&b)
		e.UserData.format(&b)
		e.Packet.format(&b)
		e.Applet.format(&b)
		for _, n := range e.Notes {
			line(&b, "note", n)
		}
	}
	_, _ = io.WriteString(w, b.String())
}

func line(b *strings.Builder, name, text string) { fmt.Fprintf(b, "    %-7s %s\n", name, text) }

func (s *SMPPLayer) format(b *strings.Builder) {
	t := fmt.Sprintf("%s → %s  esm_class %02X  pid %02X  dcs %02X  %d octets", s.Source, s.Dest, s.ESMClass, s.ProtocolID, s.DataCoding, s.Octets)
	if s.Validity != "" {
		t += "  validity " + s.Validity
	}
	if s.SMSC != "" {
		t += "  SMSC " + s.SMSC
	}
	line(b, "SMPP", t)
	switch {
	case s.Command != "submit_sm":
		if s.MessageID != "" {
			line(b, "", "of message "+s.MessageID)
		}
	case s.Status == "":
		line(b, "", "no answer yet")
	default:
		line(b, "", fmt.Sprintf("%s  message %s  after %s", s.Status, orDash(s.MessageID), s.Took.Round(time.Millisecond)))
	}
}

func (u *UserData) format(b *strings.Builder) {
	if u == nil {
		return
	}
	var t []string
	if u.Elements != "" {
		t = append(t, "UDH "+u.Elements)
	}
	if u.Parts > 0 {
		t = append(t, fmt.Sprintf("part %d of %d, reference %d", u.Part, u.Parts, u.Ref))
	}
	if u.Septets > 0 {
		t = append(t, fmt.Sprintf("%d septets", u.Septets))
	}
	if u.State != "" {
		t = append(t, "delivery receipt "+u.State)
	}
	if len(t) > 0 {
		line(b, "TP-UD", strings.Join(t, "  "))
	}
}

func (p *PacketLayer) format(b *strings.Builder) {
	if p == nil {
		return
	}
	t := p.Kind
	if p.SPI != "" {
		t += fmt.Sprintf("  SPI %s  KIc %s  KID %s  key set %d", p.SPI, p.KIc, p.KID, p.KeySet)
	}
	if p.TAR != "" {
		t += fmt.Sprintf("  TAR %s  counter %d", p.TAR, p.Counter)
	}
	if p.Status != "" {
		t += "  status " + p.Status
	}
	line(b, "SCP80", fmt.Sprintf("%s  CC %s  %d octets", t, p.CC, p.Octets))
}

func (a *AppletLayer) format(b *strings.Builder) {
	if a == nil {
		return
	}
	t := []string{a.Op, "id " + a.ID, fmt.Sprintf("key %d %s", a.KeyID, a.Algorithm)}
	if a.TextDCS != nil {
		t = append(t, fmt.Sprintf("text of %d in coding %02X", a.TextCount, *a.TextDCS))
	}
	if a.Party != "" {
		t = append(t, fmt.Sprintf("from %q", a.Party))
	}
	if a.Sealed > 0 {
		t = append(t, fmt.Sprintf("encrypted text of %d octets", a.Sealed))
	}
	if a.Timeout > 0 {
		t = append(t, "timeout "+a.Timeout.String())
	}
	if a.Result != "" {
		t = append(t, "result "+a.Result)
	}
	if a.TriesLeft != nil {
		t = append(t, fmt.Sprintf("tries left %d", *a.TriesLeft))
	}
	for _, v := range []struct {
		name string
		n    int
	}{{"signature", a.Signature}, {"public key", a.PublicKey}, {"proof", a.Proof}} {
		if v.n > 0 {
			t = append(t, fmt.Sprintf("%s of %d octets", v.name, v.n))
		}
	}
	line(b, "applet", strings.Join(t, "  "))
}

func addressOf(a smpp.Address) string {
	return fmt.Sprintf("%s (%d/%d)", orDash(a.Addr), a.TON, a.NPI)
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
