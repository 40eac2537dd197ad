package node

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
	"github.com/signum-mssp/signum/internal/store"
	"github.com/signum-mssp/signum/internal/testkit"
)

// testSMSC is an SMSC at an address.
func testSMSC(name, address string) config.SMSC {
	c := config.DefaultSMSC()
	c.Name, c.Address, c.SystemID, c.Password = name, config.Address(address), "signum", config.NewSecret("secret")
	return c
}

// withSMSCs adds SMSCs and what they need.
func withSMSCs(c config.Config, list ...config.SMSC) config.Config {
	c.SIM.SMSCs, c.SIM.ServiceNumber = list, "41791234567"
	c.SIM.MasterKey = config.NewSecret(strings.Repeat("0f1e", 16))
	return c
}

// TestStyle: what an operator says about an SMSC reaches its messages.
func TestStyle(t *testing.T) {
	c := testSMSC("main", "127.0.0.1:1")
	one := byte(1)
	if got, want := styleOf(&c), (group.Style{DestTON: &one, DestNPI: &one}); !reflect.DeepEqual(got, want) {
		t.Errorf("by default %+v, want %+v", got, want)
	}
	c.ServiceType, c.Validity, c.Receipts, c.Alphabet, c.Mode = "OTA", time.Minute, false, config.AlphabetLatin1, config.ModeStore
	c.Source, c.Destination = config.Sender{Address: "555"}, config.Numbering{TON: "national"}
	two, three := byte(2), byte(3)
	want := group.Style{
		ServiceType: "OTA", Source: smpp.Address{TON: 3, Addr: "555"}, TextSource: smpp.Address{TON: 3, Addr: "555"},
		DestTON: &two, DestNPI: &one, MaxValidity: time.Minute, NoReceipts: true, Alphabet: group.Latin1, Mode: &three,
	}
	if got := styleOf(&c); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	c.TextSource, c.Alphabet = config.Sender{Address: "Signum"}, config.AlphabetUCS2
	want.TextSource, want.Alphabet = smpp.Address{TON: 5, Addr: "Signum"}, group.UCS2
	if got := styleOf(&c); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestUnboundLimit: when no SMSC has been bound for as long as the configuration says, a
// text is refused at once.
func TestUnboundLimit(t *testing.T) {
	c := withSMSCs(testConfig(t), testSMSC("main", "127.0.0.1:1"))
	c.SIM.UnboundLimit = time.Millisecond
	n := serve(t, c, Deps{})
	for end := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond) // of a text that is tried
		err := n.SIMs.SendText(ctx, mssp.TextMessage{MSISDN: "+41791000001", Text: "hello"})
		cancel()
		if !errors.Is(err, mssp.ErrUnreachable) {
			t.Fatal(err)
		}
		if strings.Contains(err.Error(), "no SMSC has been bound for") {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestUnknownProfileWarning: a node that has cards with a profile that it does not know
// says so at its start, and starts.
func TestUnknownProfileWarning(t *testing.T) {
	c := withSMSCs(testConfig(t), testSMSC("main", "127.0.0.1:1"))
	c.SIM.CardProfiles = []config.CardProfile{{Name: "contactless"}}
	s, err := store.Open(t.Context(), c.Store.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for i, profile := range []string{"", "default", "contactless", "gone"} {
		if err := s.PutCard(t.Context(), &mssp.Card{
			ICCID: "8941012345678901234" + strconv.Itoa(i), State: mssp.CardStock, KeySet: 1, Algorithm: mssp.CardAES, KIc: []byte{1}, KID: []byte{1}, Profile: profile,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	log := new(testkit.Buffer)
	n, err := New(t.Context(), c, Deps{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if got := log.String(); strings.Count(got, "sim.card_profiles") != 1 || !strings.Contains(got, "profile=gone") {
		t.Errorf("log: %s", got)
	}
}

// TestClusters: SMSCs of one cluster share their message ids, and no others do.
func TestClusters(t *testing.T) {
	a, b, c := testSMSC("a", "127.0.0.1:1"), testSMSC("b", "127.0.0.1:1"), testSMSC("pair", "127.0.0.1:1")
	a.Cluster, b.Cluster = "pair", "pair"
	got := clustersOf([]config.SMSC{a, b, c})
	if len(got) != 2 || got["a"] != got["b"] || got["a"] == "pair" {
		t.Errorf("%v", got)
	}
}
