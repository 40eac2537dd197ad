package sandbox

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/scp80"
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

// TestOtherSMSC: a sandbox uses an external SMSC, with an imported card in that network. The first
// request activates the card and signs.
func TestOtherSMSC(t *testing.T) {
	t.Parallel()
	const iccid, msisdn = "89410123456789012342", "+41791234567"
	handsets := handset.New(handset.Config{})
	defer handsets.Close()
	network, err := smsc.New(smsc.Config{Addr: "127.0.0.1:0", Credentials: map[string]string{"mssp": "secret"}, Radio: air{handsets}})
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	handsets.Connect(network.Submit)
	keys := scp80.Keys{KIc: []byte("0123456789abcdef"), KID: []byte("fedcba9876543210")}
	plastic, err := card.New(card.Config{ICCID: iccid, Keys: keys, KeySet: 3, Blank: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := handsets.Insert("theirs", msisdn, plastic); err != nil {
		t.Fatal(err)
	}
	f := newFixtureWith(t, Config{SMSC: fmt.Sprintf("smpp://mssp:secret@%s?binds=2&window=5", network.Addr())})
	row := fmt.Sprintf("iccid;msisdn;key_set;algorithm;kic;kid\n%s;%s;3;AES;%s;%s\n", iccid, msisdn, hex.EncodeToString(keys.KIc), hex.EncodeToString(keys.KID))
	if sum, err := f.Cards.Import(t.Context(), strings.NewReader(row), simcards.ImportOptions{PlainKeys: true}); err != nil || sum.New != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	r := f.request(msisdn)
	f.verify(f.sign(t, "rest", r).Signature, r.Data.Data)
	if plastic.PublicKey() == nil {
		t.Error("the card in the other network has no key")
	}
	// The sandbox's own handsets are not in that network.
	_, err = f.clients["rest"].Do(t.Context(), f.request("+41791000001"))
	if flt := signum.AsFault(err); flt == nil || flt.Code != signum.OTAError {
		t.Error(err)
	}
}
