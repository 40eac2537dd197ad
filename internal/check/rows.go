package check

import (
	"crypto/x509"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/store"
)

// rows checks certificates and cards in one snapshot.
func (r *run) rows() {
	s, err := store.OpenSnapshot(r.ctx, r.URL)
	if err != nil {
		r.failed("certificates", err)
		return
	}
	defer s.Close()
	for _, t := range s.Tables {
		switch t.Name {
		case "certificates":
			r.failed("certificates", r.each(s, t, "certificates", r.certificate))
		case "sim_cards":
			r.failed("cards", r.cards(s, t))
		}
	}
}

// row are the values of a row by the names of its columns.
type row map[string]any

func (r row) text(name string) string  { s, _ := r[name].(string); return s }
func (r row) bytes(name string) []byte { b, _ := r[name].([]byte); return b }
func (r row) number(name string) int64 { n, _ := r[name].(int64); return n }

func (r *run) each(s *store.Snapshot, t store.Table, check string, do func(row)) error {
	n := int64(0)
	values := make(row, len(t.Columns))
	return s.Rows(r.ctx, t, func(all []any) error {
		for i, c := range t.Columns {
			values[c.Name] = all[i]
		}
		do(values)
		n++
		r.progress(check, n)
		return nil
	})
}

// certificate checks that a certificate that counts verifies under a CA of this node:
// signatures with another one are trusted by nobody.
func (r *run) certificate(c row) {
	if c.text("state") != string(mssp.CertificateGood) || c.number("not_after") < time.Now().UnixMicro() || r.authority == nil {
		return
	}
	const do = "put back the CA that issued it (ca.directory, former), or have its user enrol again"
	serial := c.text("serial")
	leaf, err := x509.ParseCertificate(c.bytes("der"))
	if err != nil {
		r.add("certificates", Error, "have its user enrol again", "the certificate %s cannot be read: %v", serial, err)
		return
	}
	chain, err := r.authority.Chain(leaf.Raw)
	if err != nil || len(chain) == 0 {
		r.add("certificates", Error, do, "the CA of the certificate %s is not there: %v", serial, err)
		return
	}
	issuer, err := x509.ParseCertificate(chain[0])
	if err == nil {
		err = leaf.CheckSignatureFrom(issuer)
	}
	if err != nil {
		r.add("certificates", Error, do, "the certificate %s is not of the CA that it names: %v", serial, err)
	}
}

// fewCounters is when a card should be replaced.
const fewCounters = 1 << 24

// cards checks that the master key opens the keys of the cards, and that they have
// counters left.
func (r *run) cards(s *store.Snapshot, t store.Table) error {
	var ring *simcards.KeyRing
	if r.Files.MasterKey != nil && !r.otherKey {
		var err error
		if ring, err = simcards.NewKeyRing(r.Files.MasterKey); err != nil {
			r.add("cards", Error, "correct sim.master_key", "%v", err)
		}
	}
	n := 0
	err := r.each(s, t, "cards", func(c row) {
		n++
		if c.text("state") == string(mssp.CardRetired) {
			return
		}
		card := mssp.Card{ICCID: c.text("iccid"), KIc: c.bytes("kic"), KID: c.bytes("kid")}
		if ring != nil {
			if _, err := ring.Keys(&card); err != nil {
				r.add("cards", Error, "import the card again, or replace it", "%v", err)
			}
		}
		if left := mssp.MaxCardCounter - c.number("counter"); left < fewCounters {
			r.add("cards", Warning, "replace the card", "the card %s has %d counters left", card.ICCID, left)
		}
	})
	if n > 0 && r.Files.MasterKey == nil {
		r.add("cards", Error, "set sim.master_key", "there are %d SIM cards, but no master key for their keys", n)
	}
	return err
}
