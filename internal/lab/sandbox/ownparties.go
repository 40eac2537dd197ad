package sandbox

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lang"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/visible"
)

// ParseParty reads a party that a developer adds: its AP_ID, then any of these settings,
// separated by commas:
//
//	prefix=TEXT          must start every text; none by default
//	lang=LANG            of requests without userLang, which is mandatory by default
//	unprefixed-receipts  the prefix need not start the texts of receipts
//	base64-subjects      X509SubjectName of profile answers is in Base64, not text
//	cert=FILE            a client certificate of the party's own (PEM), besides those of
//	                     the directory; repeatable
func ParseParty(text string) (Party, error) {
	id, settings, more := strings.Cut(text, ",")
	p := Party{APID: id}
	switch {
	case id == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || !strings.Contains(id, ":"):
		return p, fmt.Errorf("%q: the AP_ID must be a URI such as mid://example.com", id)
	case slices.ContainsFunc(parties("", nil), func(p *mssp.Party) bool { return p.ID == id }):
		return p, fmt.Errorf("%s: every sandbox has this party already", id)
	}
	if !more {
		return p, nil
	}
	for setting := range strings.SplitSeq(settings, ",") {
		if err := set(&p, setting); err != nil {
			return p, fmt.Errorf("%s: %w", id, err)
		}
	}
	return p, nil
}

// set applies one setting of ParseParty.
func set(p *Party, setting string) (err error) {
	name, value, _ := strings.Cut(setting, "=")
	switch {
	case name == "prefix":
		p.DTBDPrefix = value
		if err = visible.Check(value); err != nil {
			return fmt.Errorf("the prefix has %w", err)
		}
	case name == "lang":
		var ok bool
		if p.DefaultLang, ok = lang.Parse(value); !ok {
			return fmt.Errorf("lang=%s: not one of %s", value, strings.Join(lang.All, ", "))
		}
	case setting == "unprefixed-receipts":
		p.UnprefixedReceipts = true
	case setting == "base64-subjects":
		p.SubjectNameBase64 = true
	case name == "cert":
		if value, err = filepath.Abs(value); err == nil {
			err = addCert(p, value)
		}
	default:
		return fmt.Errorf("%q: not one of prefix=TEXT, lang=LANG, unprefixed-receipts, base64-subjects, cert=FILE", setting)
	}
	return err
}

func addCert(p *Party, file string) error {
	c, err := partyCert(file)
	if err != nil {
		return err
	}
	kind := signum.EC
	if _, ok := c.PublicKey.(*rsa.PublicKey); ok {
		kind = signum.RSA
	}
	p.Certificates = append(p.Certificates, client.SandboxCertificate{KeyType: kind, Cert: file})
	return nil
}

// partyCert reads a party's own certificate, and checks what the service demands of it.
func partyCert(file string) (*x509.Certificate, error) {
	c, err := readCert(file)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	switch {
	case now.Before(c.NotBefore) || now.After(c.NotAfter):
		return nil, fmt.Errorf("%s is valid from %s to %s", file, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny):
		return nil, fmt.Errorf("%s is no client certificate: it needs the extended key usage clientAuth", file)
	}
	return c, nil
}

// ownParties returns the parties that the developer adds, in the order of b.cfg.Parties,
// and puts them into Info.
func (b *Sandbox) ownParties(logo string) (own []*mssp.Party) {
	for _, c := range b.cfg.Parties {
		p := fullParty(c.APID, "", logo, b.files.pins())
		p.DTBDPrefix, p.DefaultLang = c.DTBDPrefix, c.DefaultLang
		p.UnprefixedReceipts, p.SubjectNameBase64 = c.UnprefixedReceipts, c.SubjectNameBase64
		d := describe(&p)
		for _, c := range c.Certificates {
			cert, err := partyCert(c.Cert)
			if err != nil { // since it was added
				b.cfg.Logger.Warn("the party has lost a certificate", "ap_id", p.ID, "err", err)
				continue
			}
			p.Pins = append(p.Pins, mssp.PinOf(cert.Raw))
			d.Certificates = append(d.Certificates, c)
		}
		own = append(own, &p)
		b.Info.Parties = append(b.Info.Parties, d)
	}
	return own
}

// twice returns an AP_ID that two of the parties have, or "".
func twice(own []Party) string {
	seen := make(map[string]bool)
	for _, p := range own {
		if seen[p.APID] {
			return p.APID
		}
		seen[p.APID] = true
	}
	return ""
}

// withFormerParties adds the parties of earlier runs, which sandbox.json lists.
func withFormerParties(dir string, own []Party) []Party {
	if dir == "" {
		return own
	}
	info, err := ReadInfo(dir)
	if err != nil {
		return own
	}
	for _, p := range info.Parties {
		if _, err := ParseParty(p.APID); err != nil || slices.ContainsFunc(own, func(o Party) bool { return o.APID == p.APID }) {
			continue
		}
		p.Certificates = slices.DeleteFunc(p.Certificates, func(c client.SandboxCertificate) bool { return c.Key != "" })
		own = append(own, p)
	}
	return own
}
