package smsc_test

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/sms"
	"github.com/signum-mssp/signum/internal/testkit"
)

//go:embed testdata/kannel.conf
var kannelConf string

// kannel is Kannel between the service centre and a web server of the test.
type kannel struct {
	t       *testing.T
	dir     string
	sendsms string // its URL
	web     string // the URL of the test's server
	calls   chan url.Values
}

// freePorts returns ports that were free a moment ago.
func freePorts(t *testing.T, names ...string) map[string]string {
	t.Helper()
	ports := make(map[string]string)
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // after all ports are found, so that they differ
		ports[name] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func startKannel(t *testing.T, smpp, template string) *kannel {
	t.Helper()
	boxes := make(map[string]string)
	for _, name := range []string{"bearerbox", "smsbox"} {
		boxes[name] = testkit.Program(t, name, "/usr/sbin/"+name) // /usr/sbin may not be in PATH
	}
	k := &kannel{t: t, dir: t.TempDir(), calls: make(chan url.Values, 100)}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Set("path", r.URL.Path)
		k.calls <- q
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(web.Close)
	k.web = web.URL
	for range 5 { // another process may have taken a free port meanwhile
		ports := freePorts(t, "admin", "smsbox", "sendsms")
		_, ports["smpp"], _ = net.SplitHostPort(smpp)
		_, ports["http"], _ = net.SplitHostPort(web.Listener.Addr().String())
		conf := template
		for name, port := range ports {
			conf = strings.ReplaceAll(conf, "{"+name+"}", port)
		}
		if err := os.WriteFile(filepath.Join(k.dir, "kannel.conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		k.sendsms = "http://127.0.0.1:" + ports["sendsms"] + "/cgi-bin/sendsms?"
		if k.start(boxes["bearerbox"], "entering mainloop") && k.start(boxes["smsbox"], "Connected to bearerbox") {
			return k
		}
	}
	t.Fatal("Kannel did not start")
	return nil
}

// start starts a box and waits until its log says that it is ready: when it listens, it
// is not yet, and a request makes it crash. It returns false if the box ended.
func (k *kannel) start(box, ready string) bool {
	k.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, box, "-v", "0", "kannel.conf")
	cmd.Dir, cmd.WaitDelay = k.dir, 5*time.Second
	var log testkit.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	k.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the box and its children
		cancel()
		<-ended
		if k.t.Failed() {
			k.t.Logf("%s: %s", box, log.String())
		}
	})
	started := false
	until(k.t, box, func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		started = strings.Contains(log.String(), ready)
		return started
	})
	return started
}

// send makes Kannel send a message.
func (k *kannel) send(q url.Values) {
	k.t.Helper()
	q.Set("username", "signum")
	q.Set("password", "sendsms")
	resp, err := http.Get(k.sendsms + q.Encode())
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted {
		k.t.Fatalf("sendsms: %s: %s", resp.Status, b)
	}
}

func (k *kannel) called(path string) url.Values {
	k.t.Helper()
	for limit := time.After(time.Minute); ; {
		select {
		case q := <-k.calls:
			if q.Get("path") == path {
				return q
			}
		case <-limit:
			k.t.Fatalf("Kannel did not call %s", path)
		}
	}
}

// Kannel, an SMS gateway, as ESME: its messages reach phones, and it gets receipts and
// messages from phones.
func TestKannel(t *testing.T) { testKannel(t, kannelConf, true) }

// The same with a transmitter and a receiver, for which Kannel has a group each. It gets
// no receipts: one that the receiver reads before the transmitter has read the response is
// lost in Kannel.
func TestKannelTransmitterAndReceiver(t *testing.T) {
	before, rest, _ := strings.Cut(kannelConf, "group = smsc\n")
	group, after, ok := strings.Cut(rest, "\n\n")
	transmitter := strings.Replace(group, "transceiver-mode = true", "transceiver-mode = false", 1)
	receiver := strings.Replace(transmitter, "\nport = ", "\nreceive-port = ", 1)
	if !ok || transmitter == group || receiver == transmitter {
		t.Fatal("the configuration has no transceiver")
	}
	testKannel(t, before+"group = smsc\n"+transmitter+"\n\ngroup = smsc\n"+receiver+"\n\n"+after, false)
}

func testKannel(t *testing.T, conf string, receipts bool) {
	s, r := onTCP(t, smsc.Config{})
	k := startKannel(t, s.Addr(), conf)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	message := url.Values{
		"from": {"555"}, "to": {phoneNumber}, "udh": {"\x02\x70\x00"}, "text": {"\xde\xad\x00"}, "coding": {"1"}, "mclass": {"2"}, "pid": {"127"},
	}
	delivered := uint64(1)
	if receipts {
		message.Set("dlr-mask", "3")
		message.Set("dlr-url", k.web+"/dlr?state=%d&id=%F")
		delivered++
	}
	k.send(message)
	until(t, "message of Kannel", func() bool { return len(r.arrivals()) == 1 })
	d := r.arrivals()[0]
	if d.msisdn != phoneNumber || !d.UDHI || d.DCS != 0xf6 || d.PID != 0x7f || !bytes.Equal(d.UD, []byte{2, 0x70, 0, 0xde, 0xad, 0}) || d.From.Digits != "555" {
		t.Errorf("%s has %+v", d.msisdn, d.Deliver)
	}
	if receipts {
		if q := k.called("/dlr"); q.Get("state") != "1" || q.Get("id") != fmt.Sprintf("%08X", 1) {
			t.Errorf("receipt %v", q)
		}
	}

	k.send(url.Values{"from": {"555"}, "to": {phoneNumber}, "text": {"Grüezi {€}"}, "charset": {"UTF-8"}})
	until(t, "text of Kannel", func() bool { return len(r.arrivals()) == 2 })
	d = r.arrivals()[1]
	if raw, err := d.Unpacked(); err != nil {
		t.Error(err)
	} else if text, err := sms.DecodeText(d.DCS, raw); err != nil || text != "Grüezi {€}" {
		t.Errorf("text %q, %v", text, err)
	}

	if err := s.Submit(phoneNumber, fromPhone(t, 0x2a)); err != nil {
		t.Fatal(err)
	}
	if q := k.called("/mo"); q.Get("from") != phoneNumber || q.Get("to") != "555" || q.Get("udh") != "\x02\x70\x00" || q.Get("text") != "\x2a" {
		t.Errorf("Kannel has %q", q)
	}
	until(t, "acknowledgement", func() bool { return s.Counters(smsc.ToESME).Delivered == delivered })

	s.Disconnect() // Kannel binds again
	if err := s.Submit(phoneNumber, fromPhone(t, 0x2b)); err != nil {
		t.Fatal(err)
	}
	if q := k.called("/mo"); q.Get("text") != "\x2b" {
		t.Errorf("after a disconnect Kannel has %q", q)
	}
}
