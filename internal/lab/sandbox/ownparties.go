package sandbox

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/partydoc"
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
func ParseParty(text string) (partydoc.Party, error) {
	id, settings, more := strings.Cut(text, ",")
	p := partydoc.Party{APID: id}
	if err := p.Check(); err != nil {
		return p, err
	}
	if world.PartyIndex(builtinParties(), id) >= 0 {
		return p, fmt.Errorf("%s: every sandbox has this party already; change it with: signum party set %[1]s", id)
	}
	if !more {
		return p, nil
	}
	for setting := range strings.SplitSeq(settings, ",") {
		if err := set(&p, setting); err != nil {
			return p, fmt.Errorf("%s: %w", id, err)
		}
	}
	if err := p.Check(); err != nil {
		return p, err
	}
	return p, p.CheckCertificates(time.Now())
}

// set applies one setting of ParseParty.
func set(p *partydoc.Party, setting string) error {
	name, value, _ := strings.Cut(setting, "=")
	switch {
	case name == "prefix":
		p.Prefix = value
	case name == "lang":
		p.DefaultLang = value
	case setting == "unprefixed-receipts":
		p.UnprefixedReceipts = true
	case setting == "base64-subjects":
		p.SubjectNameBase64 = true
	case name == "cert":
		text, err := os.ReadFile(value)
		if err != nil {
			return err
		}
		p.Certificates = append(p.Certificates, string(text))
	default:
		return fmt.Errorf("%q: not one of prefix=TEXT, lang=LANG, unprefixed-receipts, base64-subjects, cert=FILE", setting)
	}
	return nil
}

// twice returns an AP_ID that two of the parties have, or "".
func twice(own []partydoc.Party) string {
	seen := make(map[string]bool)
	for _, p := range own {
		if seen[p.APID] {
			return p.APID
		}
		seen[p.APID] = true
	}
	return ""
}
