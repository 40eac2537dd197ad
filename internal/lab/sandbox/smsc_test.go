package sandbox

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/phones"
	"github.com/signum-mssp/signum/internal/simcards"
)

func TestParseSMSC(t *testing.T) {
	t.Parallel()
	smsc := func(address config.Address, secure bool, user, password string, change func(*config.SMSC)) config.SMSC {
		c := config.DefaultSMSC()
		c.Name, c.Address, c.TLS.Enabled, c.SystemID, c.Password = otherSMSC, address, secure, user, config.NewSecret(password)
		change(&c)
		return c
	}
	same := func(*config.SMSC) {}
	for address, want := range map[string]config.SMSC{
		"smpp://signum:secret@smsc.example.com": smsc("smsc.example.com:2775", false, "signum", "secret", same),
		"smpp://signum:p%40ss@[::1]:2776?binds=4&window=20&system_type=MSSP/": smsc("[::1]:2776", false, "signum", "p@ss", func(c *config.SMSC) {
			c.Transceivers, c.Window, c.SystemType = 4, 20, "MSSP/"
		}),
		"smpps://signum@smsc.example.com/": smsc("smsc.example.com:3550", true, "signum", "", same),
	} {
		if got, err := ParseSMSC(address); err != nil || got != want {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
	for _, address := range []string{
		"", "localhost:2775", "http://signum:s3cret@host", "smpp://host", "smpp://:s3cret@host", "smpp://signum:s3cret@", "smpp://signum:s3cret@host/x",
		"smpp://signum:s3cret@host?binds=0", "smpp://signum:s3cret@host?window=x", "smpp://signum:s3cret@host?bind=1", "smpp://signum:s3cret@host:port", "\x7f://s3cret",
	} {
		if c, err := ParseSMSC(address); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %+v, %v", address, c, err)
		}
	}
}

// TestOtherSMSC: a sandbox uses the SMSC of another process, with imported cards in that
// network. The first request activates a card and signs. The network is killed and started again,
// and the card signs on.
func TestOtherSMSC(t *testing.T) {
	t.Parallel()
	dir, copied := t.TempDir(), t.TempDir()
	network, err := phones.Open(phones.Config{Dir: dir, Addr: "127.0.0.1:0", Users: 3, RSA: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = network.Close() }()
	i := network.Info
	f := newFixtureWith(t, Config{SMSC: fmt.Sprintf("smpp://%s:%s@%s?binds=2&window=5", i.SystemIDs[0], i.Password, i.Address)})
	importPhones(t, f, dir, simcards.Summary{Rows: 3, New: 3})
	sign := func(msisdn string) {
		t.Helper()
		r := f.request(msisdn)
		f.verify(f.sign(t, "rest", r).Signature, r.Data.Data)
	}
	sign("+41795000001")
	// Like kill -9: the files as they are now, without what a clean end would write.
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := network.Close(); err != nil {
		t.Fatal(err)
	}
	network, err = phones.Open(phones.Config{Dir: copied, Addr: i.Address, Users: 4})
	if err != nil {
		t.Fatal(err)
	}
	if network.Made != 1 || network.Info.Users != 4 || network.Info.Password != i.Password {
		t.Errorf("%d new cards, %+v", network.Made, network.Info)
	}
	sign("+41795000001")
	sign("+41795000003") // RSA
	importPhones(t, f, copied, simcards.Summary{Rows: 4, New: 1, Unchanged: 3})
	// The sandbox's own handsets are not in that network.
	_, err = f.clients["rest"].Do(t.Context(), f.request("+41791000001"))
	if flt := signum.AsFault(err); flt == nil || flt.Code != signum.OTAError {
		t.Error(err)
	}
}

// importPhones imports the cards of a network.
func importPhones(t *testing.T, f *fixture, dir string, want simcards.Summary) {
	t.Helper()
	cards, err := os.Open(filepath.Join(dir, phones.CardsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer cards.Close()
	text, err := os.ReadFile(filepath.Join(dir, phones.KEKFile))
	if err != nil {
		t.Fatal(err)
	}
	kek, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := f.Cards.Import(t.Context(), cards, simcards.ImportOptions{KEK: kek})
	if err != nil || sum.Rows != want.Rows || sum.New != want.New || sum.Unchanged != want.Unchanged {
		t.Fatalf("%+v, %v", sum, err)
	}
}
