package node

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// administration calls a node over its socket.
type administration struct {
	t    *testing.T
	path string
}

// call checks the status, and reads the answer if there is something to read it into.
func (a *administration) call(status int, method, path, body string, answer any) string {
	a.t.Helper()
	h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", a.path)
	}}}
	req, err := http.NewRequestWithContext(a.t.Context(), method, "http://signum/admin/v1/"+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := h.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if resp.StatusCode != status {
		a.t.Fatalf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, status, data)
	}
	if answer != nil {
		if err := json.Unmarshal(data, answer); err != nil {
			a.t.Fatalf("%s: %v", data, err)
		}
	}
	return string(data)
}

// withSocket gives a node an administration socket.
func withSocket(t *testing.T) *administration {
	dir, err := os.MkdirTemp("", "adm") // the paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &administration{t, filepath.Join(dir, "admin.sock")}
}

func TestAdminParties(t *testing.T) {
	adm := withSocket(t)
	a := newArena(t, func(c *config.Config) { c.Listen.Admin.Socket = adm.path })
	if info, err := os.Stat(adm.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	const bank = "parties/mid:%2F%2Fbank.example"
	c := a.party("mid://bank.example", false) // its client
	adm.call(204, "DELETE", bank, "", nil)
	if err := a.signs(c, a.user(1, signum.SIM, phonetest.Approve)); faultOf(err) != signum.UnauthorizedAccess {
		t.Errorf("removed: %v", err)
	}

	certificate, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Certificate[0]})))
	if err != nil {
		t.Fatal(err)
	}
	if text := adm.call(400, "PUT", bank, `{}`, nil); !strings.Contains(text, "needs a client certificate") {
		t.Error(text)
	}
	var p struct {
		Pins     []string
		Profiles []string
		Hash     string `json:"password_hash"`
		Prefix   string `json:"dtbd_prefix"`
	}
	adm.call(201, "PUT", bank, `{"certificates": [`+string(certificate)+`], "default_lang": "en", "dtbd_prefix": "Bank: ", "password": "secret"}`, &p)
	if len(p.Pins) != 1 || len(p.Profiles) != 0 || p.Hash == "" || p.Prefix != "Bank: " {
		t.Errorf("%+v", p)
	}
	pin := p.Pins[0]
	adm.call(200, "PATCH", bank, `{"dtbd_prefix": null, "password": null, "profiles": ["`+signum.ProfileAnyLoA4+`"], "auth_profile": "`+signum.ProfileAnyLoA4+`"}`, &p)
	if err := a.signs(c, a.user(2, signum.SIM, phonetest.Approve)); err != nil {
		t.Errorf("a party that was added: %v", err)
	}
	for body, want := range map[string]string{
		`{"certificates": []}`:                    "needs a client certificate",
		`{"ap_id": "mid://other"}`:                "differs",
		`{"shared_certificates": true}`:           "only a sandbox",
		`{"pins": ["00"]}`:                        "SHA-256",
		`{"xyzzy": 1}`:                            "xyzzy",
		`{"password": "a", "password_hash": "b"}`: "exclude each other",
		`{`: "not the expected JSON",
	} {
		if text := adm.call(400, "PATCH", bank, body, nil); !strings.Contains(text, want) {
			t.Errorf("%s: %s", body, text)
		}
	}
	adm.call(200, "PATCH", bank, `{"pins": ["`+pin+`"], "certificates": [`+string(certificate)+`]}`, &p)
	if len(p.Pins) != 1 {
		t.Errorf("the same certificate twice: %v", p.Pins)
	}
	var logo bytes.Buffer
	if err := png.Encode(&logo, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	adm.call(204, "PUT", bank+"/logo", logo.String(), nil)
	adm.call(200, "PUT", bank, `{"pins": ["`+pin+`"]}`, nil)
	if stored, err := a.Store.Party(t.Context(), "mid://bank.example"); err != nil || stored.Logo == "" {
		t.Errorf("the logo is lost: %v", err)
	}
	adm.call(400, "PUT", bank+"/logo", "no image", nil)
	adm.call(204, "DELETE", bank+"/logo", "", nil)
	var all struct{ Parties []map[string]any }
	adm.call(200, "GET", "parties", "", &all)
	if len(all.Parties) != 1 || all.Parties[0]["ap_id"] != "mid://bank.example" {
		t.Errorf("%v", all.Parties)
	}
	const portal = "parties/mid:%2F%2Fsignum%2Fportal"
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		if text := adm.call(400, method, portal, `{}`, nil); !strings.Contains(text, "the service itself") {
			t.Errorf("%s: %s", method, text)
		}
	}
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		adm.call(404, method, "parties/mid:none", `{}`, nil)
	}
}

func TestAdminUsers(t *testing.T) {
	adm := withSocket(t)
	a := newArena(t, func(c *config.Config) { c.Listen.Admin.Socket = adm.path })
	c := a.party("mid://bank.example", false)
	const number = "+41791112233"
	adm.call(404, "GET", "users/"+number, "", nil)
	adm.call(400, "PUT", "users/"+number, `{"methods": ["SIM"]}`, nil)
	adm.call(400, "PUT", "users/12", `{}`, nil)
	var u struct {
		MSISDN, Serial, State string
		Methods               []string
		Phones                []struct{ ID string }
	}
	adm.call(200, "PUT", "users/"+number, `{}`, &u)
	serial := u.Serial
	adm.call(200, "PUT", "users/"+number, `{}`, &u)
	if u.MSISDN != number || u.Serial != serial || u.State != "ACTIVE" || len(u.Phones) > 0 {
		t.Errorf("%+v", u)
	}
	var i struct{ Code, URL string }
	adm.call(200, "POST", "invite", `{"msisdn": "`+number+`"}`, &i)
	if !strings.HasSuffix(i.URL, "/phone?code="+i.Code) {
		t.Errorf("%+v", i)
	}

	s := a.user(3, signum.SIM, phonetest.Approve)
	adm.call(200, "PATCH", "users/"+s.MSISDN, `{"state": "SUSPENDED"}`, &u)
	if err := a.signs(c, s); faultOf(err) != signum.CardBlocked {
		t.Errorf("suspended: %v", err)
	}
	adm.call(200, "PATCH", "users/"+s.MSISDN, `{"state": "ACTIVE"}`, &u)
	if err := a.signs(c, s); err != nil || u.State != "ACTIVE" || len(u.Methods) != 1 {
		t.Errorf("%+v %v", u, err)
	}
	adm.call(400, "PATCH", "users/"+s.MSISDN, `{"state": "ASLEEP"}`, nil)
	adm.call(404, "PATCH", "users/+41790000099", `{"state": "ACTIVE"}`, nil)

	var page struct {
		Users []struct{ MSISDN string }
		Next  string
	}
	adm.call(200, "GET", "users?limit=1", "", &page)
	if len(page.Users) != 1 || page.Next != page.Users[0].MSISDN {
		t.Errorf("%+v", page)
	}
	adm.call(400, "GET", "users?limit=0", "", nil)
	adm.call(404, "DELETE", "users/"+s.MSISDN+"/apps/none", "", nil)

	adm.call(204, "DELETE", "users/"+s.MSISDN, "", nil)
	adm.call(404, "DELETE", "users/"+s.MSISDN, "", nil)
	revoked, err := a.Store.Certificate(t.Context(), s.Devices[0].Certificate.Serial)
	if err != nil || revoked.State != mssp.CertificateRevoked {
		t.Errorf("%+v %v", revoked, err)
	}
	if err := a.signs(c, s); faultOf(err) != signum.UnknownClient {
		t.Errorf("removed: %v", err)
	}
	adm.call(400, "POST", "sim/show", `{"card": "+41791112233"}`, nil)
}

// A socket that a crash left behind is replaced, and one that is used is not.
func TestAdminSocket(t *testing.T) {
	path := withSocket(t).path
	first, err := listenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("a socket that is used: %v", err)
	}
	first.(*socket).UnixListener.Close() // and the file stays
	second, err := listenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the first listener removed the socket of the second: %v", err)
	}
	second.Close()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(t.Context(), path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: %v", err)
	}
}

// faultOf is the code of a fault; 0 if there is none.
func faultOf(err error) signum.Code {
	if f := signum.AsFault(err); f != nil {
		return f.Code
	}
	return 0
}
