package node

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

// word is a number in letters, so that no digit shows that two words are of one kind.
func word(n int) string {
	return strings.NewReplacer("0", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5", "f", "6", "g", "7", "h", "8", "i", "9", "j").Replace(fmt.Sprint(n))
}

// TestAttackRefusedParty: the operator sees who tries certificates, as warnings with
// address and certificate, and counts them; however many there are, they do not fill
// the log.
func TestAttackRefusedParty(t *testing.T) {
	log := new(testkit.Buffer)
	n := serve(t, opsConfig(t), Deps{Logger: slog.New(slog.NewTextHandler(log, nil))})
	cert := clientCertificate(t)
	pin := sha256.Sum256(cert.Certificate[0])
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}}
	defer tr.CloseIdleConnections()
	const tries = 300
	for i := range tries {
		body := fmt.Sprintf(`{"MSS_StatusReq":{"MajorVersion":"1","MinorVersion":"1","AP_Info":{"AP_ID":"mid://%s","AP_TransID":%q,"Instant":%q},"MSSP_Info":{"MSSP_ID":{"URI":"x"}},"MSSP_TransID":"h"}}`,
			word(i)+strings.Repeat("x", 9000), word(i), time.Now().UTC().Format(time.RFC3339))
		resp, err := (&http.Client{Transport: tr}).Post("https://"+n.MSSAddr()+"/rest/service/status", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !bytes.Contains(answer, []byte(`"_104"`)) {
			t.Fatalf("%s", answer)
		}
	}
	warnings := 0
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, "source=127.0.0.1") && strings.Contains(line, "pin="+hex.EncodeToString(pin[:])) && strings.Contains(line, "code=104") {
			warnings++
		}
	}
	if warnings == 0 || warnings > fewLines || len(log.String()) > 32<<10 {
		t.Errorf("%d warnings, %d bytes:\n%.4000s", warnings, len(log.String()), log.String())
	}
	_, text := get(t, n.OpsURL()+"/metrics")
	if want := fmt.Sprintf(`signum_faults_total{code="104",entrance="rest",reason="UNAUTHORIZED_ACCESS"} %d`, tries); !strings.Contains(text, want) {
		t.Errorf("no %s", want)
	}
}

// TestAttackStrangersFillLog: a stranger, with neither a certificate nor an App, can
// cause any number of refusals, but only a few lines.
func TestAttackStrangersFillLog(t *testing.T) {
	log := new(testkit.Buffer)
	n := serve(t, opsConfig(t), Deps{Logger: slog.New(slog.NewTextHandler(log, nil))})
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	for i := range 100 {
		for _, url := range []string{
			"https://" + n.MSSAddr() + "/rest/service/sign", "https://" + n.MSSAddr() + "/soap/services/MSS_SignaturePort",
			n.WebListenerURL() + "/app/v2/enrol", n.WebListenerURL() + "/app/v2/answer", n.WebListenerURL() + "/app/v2/" + word(i),
			n.WebListenerURL() + "/me/" + word(i), n.WebListenerURL() + "/phone/" + word(i), n.PKIURL() + "/ocsp", n.PKIURL() + "/" + word(i),
		} {
			resp, err := (&http.Client{Transport: tr}).Post(url, "", strings.NewReader("<"+word(i)))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines < 8 || lines > 40 {
		t.Errorf("%d lines:\n%.4000s", lines, log.String())
	}
}

// TestAttackSMSCFillsLog: an SMSC that sends one unreadable PDU after the other, or
// messages of strangers, causes a few lines.
func TestAttackSMSCFillsLog(t *testing.T) {
	smsc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer smsc.Close()
	log := new(testkit.Buffer)
	c := withSMSCs(opsConfig(t), testSMSC("main", smsc.Addr().String()))
	serve(t, c, Deps{Logger: slog.New(slog.NewTextHandler(log, nil))})
	conn, err := smsc.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(held))
	const deliver, response = 0x00000005, 0x80000000
	send := func(command, sequence uint32, body string) {
		pdu := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
		for _, v := range []uint32{command, 0, sequence} {
			pdu = binary.BigEndian.AppendUint32(pdu, v)
		}
		if _, err := conn.Write(append(pdu, body...)); err != nil {
			t.Fatal(err)
		}
	}
	receive := func() (command, sequence uint32) {
		head := make([]byte, 16)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head))-16); err != nil {
			t.Fatal(err)
		}
		return binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[12:])
	}
	bind, sequence := receive()
	send(bind|response, sequence, "smsc\x00")
	for i := range uint32(1000) {
		// Unreadable, or from a stranger and with a header (UDHI) that ends too early.
		body := word(int(i))
		if i%2 == 0 {
			body = "\x00\x01\x01" + fmt.Sprintf("4179%07d", i) + "\x00\x01\x0141791234567\x00\x40\x00\x00\x00\x00\x00\x00\xf6\x00\x03\x7f" + word(100 + int(i))[:2]
		}
		send(deliver, i+1, body)
		if command, _ := receive(); command&response == 0 {
			t.Fatalf("%x is no response", command)
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines < 2 || lines > 40 {
		t.Errorf("%d lines:\n%.4000s", lines, log.String())
	}
}
