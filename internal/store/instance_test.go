package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum/internal/mssp"
)

// TestInstance: a database keeps the instance that its first user gave it, and one that refuses another
// is as it was before, its schema included.
func TestInstance(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old := openVersion(t, url, latest.newest()-1)
		old.close()
		refuse := errors.New("another service")
		_, err := Open(t.Context(), url, quiet, WithMigrations(), WithInstance(func(mssp.Ties) (mssp.Instance, error) { return mssp.Instance{}, refuse }))
		if !errors.Is(err, refuse) || err.Error() != refuse.Error() {
			t.Fatalf("got %v", err)
		}
		openVersion(t, url, latest.newest()-1).close() // it would refuse a newer schema

		at := time.UnixMicro(1234567).UTC()
		first := mssp.Instance{ID: "id", Created: at, RootCA: "1a"}
		second := mssp.Instance{ID: "id", Created: at, RootCA: "2b", MasterKey: "3c"}
		card := &mssp.Card{ICCID: "89410000000000000001", State: mssp.CardStock, KeySet: 1, Algorithm: mssp.CardAES, KIc: []byte{1}, KID: []byte{2}, Created: at, Changed: at}
		for _, step := range []struct {
			known mssp.Ties
			then  mssp.Instance
		}{
			{mssp.Ties{}, first},
			{mssp.Ties{Instance: &first}, second},
			{mssp.Ties{Instance: &second}, second},
			{mssp.Ties{Cards: []mssp.Card{{ICCID: card.ICCID, KIc: card.KIc, KID: card.KID}}, Issuer: "ab"}, first}, // after the row was deleted
		} {
			if step.known.Cards != nil {
				s := open(t, url)
				c := &mssp.Certificate{Serial: "1a", DeviceID: "sim", State: mssp.CertificateIntended, Issuer: "ab", TBS: []byte("tbs"), NotBefore: at, NotAfter: time.Now().Add(time.Hour)}
				if err := errors.Join(s.PutCard(t.Context(), card), s.IntendCertificate(t.Context(), c), s.CompleteCertificate(t.Context(), c.Serial, []byte("der")), s.Close()); err != nil {
					t.Fatal(err)
				}
				p := openVersion(t, url, latest.newest())
				if _, err := p.write.Exec(`DELETE FROM instance`); err != nil {
					t.Fatal(err)
				}
				p.close()
			}
			var known mssp.Ties
			s := open(t, url, WithInstance(func(k mssp.Ties) (mssp.Instance, error) { known = k; return step.then, nil }))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(step.known, known); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		}
	})
}
