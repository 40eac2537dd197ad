package config

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const twoSMSCs = `
sim:
  service_number: "41790000500"
  master_key: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
  smscs:
    - {name: north, address: "north:2775", system_id: signum, password: one}
    - name: south
      weight: 0
      address: south:2775
      system_id: signum
      transmitters: 2
      receivers: 1
      text_source: {address: Signum}
      alphabet: latin1
      receipts: false
`

// TestSMSCs: entries of a list have their own defaults, and the environment overrides a
// key of one by its number.
func TestSMSCs(t *testing.T) {
	secret := write(t, "password", "filed\n", 0o600)
	c, warnings, err := Read("signum.yaml", []byte(minimal(t)+twoSMSCs), []string{
		"SIGNUM_SIM_SMSCS_1_VALIDITY=1m", "SIGNUM_SIM_SMSCS_0_PASSWORD_FILE=" + secret,
		"SIGNUM_SIM_SMSCS_2_NAME=west", "SIGNUM_SIM_SMSCS_2_ADDRESS=west:1", "SIGNUM_SIM_SMSCS_2_SYSTEM_ID=signum",
	})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, warnings)
	}
	north, south, west := DefaultSMSC(), DefaultSMSC(), DefaultSMSC()
	north.Name, north.Address, north.SystemID, north.Password, north.PasswordFile = "north", "north:2775", "signum", NewSecret("filed"), secret
	south.Name, south.Weight, south.Address, south.SystemID = "south", 0, "south:2775", "signum"
	south.Transmitters, south.Receivers, south.TextSource.Address = 2, 1, "Signum"
	south.Alphabet, south.Receipts, south.Validity = AlphabetLatin1, false, time.Minute
	west.Name, west.Address, west.SystemID = "west", "west:1", "signum"
	if want := []SMSC{north, south, west}; !slices.Equal(c.SIM.SMSCs, want) {
		t.Errorf("%+v\nwant %+v", c.SIM.SMSCs, want)
	}
}

// TestSMSCProblems: each names the entry, its line and what to do.
func TestSMSCProblems(t *testing.T) {
	cert, key := keyPair(t)
	notPEM := write(t, "ca.pem", "nothing", 0o600)
	const good = "name: a, address: 'a:1', system_id: signum"
	for _, tt := range []struct {
		text string
		env  []string
		want string
	}{
		{"smscs: {name: a}", nil, "signum.yaml:11: sim.smscs: must be a list: each entry begins with a hyphen"},
		{"smscs: [a]", nil, `signum.yaml:11: sim.smscs.0: must be a section`},
		{"smscs: [{" + good + "}, {" + good + "}]", nil, "sim.smscs.1.name: there is another SMSC a: give each its own name"},
		{"smscs: [{" + good + ", name: Upper}]", nil, "sim.smscs.0.name: appears twice; keep one"},
		{"smscs: [{name: Upper}]", nil, "signum.yaml:11: sim.smscs.0.name: is needed: 1 to 20 small letters"},
		{"smscs: [{name: a}]", nil, "signum.yaml:11: sim.smscs.0.address: is needed"},
		{"smscs: [{" + good + ", adress: b}]", nil, "sim.smscs.0.adress: unknown key, did you mean address?"},
		{"smscs: [{" + good + ", transmitters: 1}]", nil, "sim.smscs.0.receivers: is needed beside transmitters"},
		{"smscs: [{" + good + ", receivers: 1}]", nil, "sim.smscs.0.transmitters: is needed beside receivers"},
		{"smscs: [{" + good + ", weight: -1}]", nil, "sim.smscs.0.weight: must be a number from 0 to 1000"},
		{"smscs: [{" + good + ", mode: datagram}]", nil, `sim.smscs.0.mode: "datagram" is not transaction, store_and_forward or default`},
		{"smscs: [{" + good + ", mode: default, receipts: false}]", nil, "sim.smscs.0.receipts: must be true unless mode is transaction"},
		{"smscs: [{" + good + ", cluster: A}]", nil, "sim.smscs.0.cluster: must be 1 to 20 small letters"},
		{"smscs: [{" + good + ", rate: -1}]", nil, "sim.smscs.0.rate: must be a number from 0 to 100000"},
		{"smscs: [{" + good + ", alphabet: ebcdic}]", nil, `sim.smscs.0.alphabet: "ebcdic" is not gsm, latin1 or ucs2`},
		{"smscs: [{" + good + ", source: {address: Signum}}]", nil, "sim.smscs.0.source.address: must be digits: cards answer to it"},
		{"smscs: [{" + good + ", source: {ton: national}}]", nil, "sim.smscs.0.source.address: is needed beside ton and npi"},
		{"smscs: [{" + good + ", text_source: {address: TwelveLetter}}]", nil, "sim.smscs.0.text_source.address: must be digits without +, or a name of at most 11 characters"},
		{"smscs: [{" + good + ", destination: {ton: 256}}]", nil, `sim.smscs.0.destination.ton: "256" is neither a number from 0 to 255 nor one of unknown, international`},
		{"smscs: [{" + good + ", service_type: LONGER}]", nil, "sim.smscs.0.service_type: must have at most 5 characters"},
		{"smscs: [{" + good + ", validity: -1s}]", nil, "sim.smscs.0.validity: must not be negative"},
		{"smscs: [{" + good + ", tls: {server_name: x}}]", nil, "sim.smscs.0.tls.enabled: must be true"},
		{"smscs: [{" + good + ", tls: {enabled: true, key_file: " + key + "}}]", nil, "sim.smscs.0.tls.certificate_file: is needed beside key_file"},
		{"smscs: [{" + good + ", tls: {enabled: true, ca_file: " + notPEM + "}}]", nil, "sim.smscs.0.tls.ca_file: cannot load the certificates of the CA: " + notPEM + ": holds no certificate"},
		{"smscs: [{" + good + ", tls: {enabled: true, ca_file: " + cert + ", key_file: " + key + ", certificate_file: " + key + "}}]", nil, "sim.smscs.0.tls.certificate_file: cannot load"},
		{"smscs: [{" + good + "}]", []string{"SIGNUM_SIM_SMSCS_0_WINDOW=0"}, "environment: SIGNUM_SIM_SMSCS_0_WINDOW: must be a number from 1 to 1000"},
		{"smscs: [{" + good + "}]", []string{"SIGNUM_SIM_SMSCS_3_WINDOW=1"}, "environment: SIGNUM_SIM_SMSCS_3_…: the next entry of sim.smscs has the number 1"},
		{"smscs: []", []string{"SIGNUM_SIM_SMSCS_0_NAME=a"}, "sim.smscs.0.address: is needed"},
	} {
		text := minimal(t) + "sim:\n  " + tt.text + "\n"
		_, _, err := Read("signum.yaml", []byte(text), tt.env)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: no %q in\n%v", tt.text, tt.want, err)
		}
	}
}

func TestCodes(t *testing.T) {
	for _, tt := range []struct {
		sender   Sender
		ton, npi byte
	}{
		{Sender{Address: "41790000500"}, 1, 1},
		{Sender{Address: "12345"}, 3, 0},
		{Sender{Address: "Signum"}, 5, 0},
		{Sender{Address: "12345", TON: "abbreviated", NPI: "private"}, 6, 9},
		{Sender{Address: "41790000500", TON: "0"}, 0, 1},
	} {
		if ton, npi := tt.sender.Codes(); ton != tt.ton || npi != tt.npi {
			t.Errorf("%+v: %d, %d, want %d, %d", tt.sender, ton, npi, tt.ton, tt.npi)
		}
	}
}

// TestPeerTLS: the files are read for each connection's configuration.
func TestPeerTLS(t *testing.T) {
	cert, key := keyPair(t)
	if c, err := (PeerTLS{ServerName: "x"}).Config(); c != nil || err != nil {
		t.Errorf("%v, %v", c, err)
	}
	c, err := PeerTLS{Enabled: true, CAFile: cert, CertificateFile: cert, KeyFile: key, ServerName: "smsc"}.Config()
	if err != nil || len(c.Certificates) != 1 || c.RootCAs == nil || c.ServerName != "smsc" {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := (PeerTLS{Enabled: true, CertificateFile: cert, KeyFile: key}).Config(); err == nil {
		t.Error("a key that is not there")
	}
}
