package node

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
)

// TestNPMOptionsOfTexts: texts arrive as the SMSC wants them, and as they were written.
func TestNPMOptionsOfTexts(t *testing.T) {
	for name, tt := range map[string]struct {
		alphabet string // of data_coding 0, as the package calls it
		change   func(*config.SMSC)
		text     string
		want     map[string]any
	}{
		"defaults": {"ASCII", func(*config.SMSC) {}, "Zürich @ {5 €}", map[string]any{
			"data_coding": 0.0, "from": "41791234567", "from_ton": 1.0, "from_npi": 1.0, "ton": 1.0, "npi": 1.0, "service_type": "", "registered": 0.0}},
		"gsm, another character": {"ASCII", func(*config.SMSC) {}, "François", map[string]any{"data_coding": 8.0}},
		"latin1":                 {"LATIN1", func(c *config.SMSC) { c.Alphabet = config.AlphabetLatin1 }, "Zürich @ [~]", map[string]any{"data_coding": 0.0}},
		"latin1, another character": {"LATIN1", func(c *config.SMSC) { c.Alphabet = config.AlphabetLatin1 }, "5 €", map[string]any{
			"data_coding": 8.0}},
		"ucs2": {"UCS2", func(c *config.SMSC) { c.Alphabet = config.AlphabetUCS2 }, "Zürich @", map[string]any{"data_coding": 8.0}},
		"a name": {"ASCII", func(c *config.SMSC) { c.TextSource.Address = "Signum" }, "x", map[string]any{
			"from": "Signum", "from_ton": 5.0, "from_npi": 0.0}},
		"a short code": {"ASCII", func(c *config.SMSC) { c.Source.Address = "555" }, "x", map[string]any{
			"from": "555", "from_ton": 3.0, "from_npi": 0.0}},
		"numbering": {"ASCII", func(c *config.SMSC) {
			c.TextSource = config.Sender{Address: "5551234", TON: "national", NPI: "private"}
			c.Destination, c.ServiceType = config.Numbering{TON: "unknown", NPI: "unknown"}, "OTP"
		}, "x", map[string]any{"from": "5551234", "from_ton": 2.0, "from_npi": 9.0, "ton": 0.0, "npi": 0.0, "service_type": "OTP"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := startNPM(t, "main", map[string]any{"alphabet": tt.alphabet})
			tt.change(&peer.SMSC)
			n, _ := withPeers(t, nil, peer.SMSC)
			if err := sendText(t, n, tt.text); err != nil {
				t.Fatal(err)
			}
			e := peer.Wait("submit_sm")
			if e["message"] != fmt.Sprintf("%x", tt.text) {
				t.Errorf("the package reads %s", e["message"])
			}
			for member, want := range tt.want {
				if e[member] != want {
					t.Errorf("%s is %v, want %v", member, e[member], want)
				}
			}
		})
	}
}

// TestNPMOptionsOfRequests: a request to a card goes as its SMSC and its card profile
// want it.
func TestNPMOptionsOfRequests(t *testing.T) {
	peer := startNPM(t, "main", nil)
	peer.ServiceType, peer.Validity, peer.SystemType = "OTA", time.Minute, "SIM"
	peer.Source = config.Sender{Address: "5551234", TON: "subscriber", NPI: "national"}
	for _, tt := range []struct {
		mode            config.Mode
		receipts        bool
		class, receipt  float64
		profile         string
		kid             byte
		tar, from       string
		ton, npi, valid float64
	}{
		{config.ModeTransaction, false, 0x42, 0, "", 0x22, "53474D", "5551234", 4, 8, 60},
		{config.ModeTransaction, true, 0x42, 1, "old", 0x72, "B00010", "556", 3, 0, 30},
		{config.ModeStore, true, 0x43, 1, "old", 0x72, "B00010", "556", 3, 0, 30},
		{config.ModeDefault, true, 0x40, 1, "", 0x22, "53474D", "5551234", 4, 8, 60},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.mode, tt.profile), func(t *testing.T) { // its node ends before the next begins
			peer.Mode, peer.Receipts = tt.mode, tt.receipts
			n, _ := withPeers(t, func(c *config.Config) {
				c.SIM.CardProfiles = []config.CardProfile{{Name: "old", TAR: config.TAR{0xB0, 0, 0x10}, KIDKeySet: 7, ServiceNumber: "556", Validity: 30 * time.Second}}
			}, peer.SMSC)
			if e := peer.Wait("bind"); e["type"] != "SIM" {
				t.Errorf("%v", e)
			}
			keys := display(t, n, tt.profile)
			e := peer.Wait("submit_sm")
			for member, want := range map[string]any{
				"from": tt.from, "from_ton": tt.ton, "from_npi": tt.npi, "to": "41791234567", "service_type": "OTA", "registered": tt.receipt,
				"esm_class": tt.class, "protocol_id": 127.0, "data_coding": 246.0, "valid_for": tt.valid,
			} {
				if e[member] != want {
					t.Errorf("%+v: %s is %v, want %v", tt, member, e[member], want)
				}
			}
			packet, err := hex.DecodeString(e["message"].(string))
			if err != nil {
				t.Fatal(err)
			}
			cmd, err := scp80.OpenCommand(packet[3:], keys)
			if err != nil || cmd.TAR.String() != tt.tar || cmd.KID != tt.kid || cmd.KIc != 0x22 {
				t.Errorf("%+v: %+v, %v", tt, cmd, err)
			}
		})
	}
}

// display asks a card with a profile to show a text, and returns its keys.
func display(t *testing.T, n *Node, profile string) scp80.Keys {
	t.Helper()
	const number, device = "+41791234567", "sim-1"
	keys := scp80.Keys{KIc: []byte("0123456789abcdef"), KID: []byte("fedcba9876543210")}
	card := &mssp.Card{ICCID: "89410123456789012342", DeviceID: device, State: mssp.CardActive, KeySet: 2, Algorithm: mssp.CardAES, Profile: profile}
	if err := n.KeyRing.SetKeys(card, keys); err != nil {
		t.Fatal(err)
	}
	if err := n.Store.EnrolCard(t.Context(), &mssp.Subscriber{MSISDN: number, Serial: "MIDCHE0000000001", State: mssp.SubscriberActive,
		Devices: []mssp.Device{{ID: device, Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.EC}}}, card); err != nil {
		t.Fatal(err)
	}
	err := n.SIMs.Send(t.Context(), mssp.DeviceRequest{Op: mssp.OpDisplay, TransID: "1", MSISDN: number, DeviceID: device,
		Method: signum.SIM, KeyType: signum.EC, Lang: "en", MimeType: signum.MimeText, Text: "hello", Expires: time.Now().Add(5 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
