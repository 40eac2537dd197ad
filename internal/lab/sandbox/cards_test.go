package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/simcards"
)

const cardFile = "iccid,msisdn,key_set,algorithm,kic,kid\n" +
	"89410123456789012342,+41791234567,1,AES,000102030405060708090a0b0c0d0e0f,101112131415161718191a1b1c1d1e1f\n" +
	"89014103211118510720,,1,AES,000102030405060708090a0b0c0d0e0f,101112131415161718191a1b1c1d1e1f\n"

// form returns the body of an import with these parts.
func form(t *testing.T, parts ...string) (contentType string, body *bytes.Buffer) {
	t.Helper()
	body = new(bytes.Buffer)
	w := multipart.NewWriter(body)
	for i := 0; i < len(parts); i += 2 {
		if err := w.WriteField(parts[i], parts[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), body
}

func TestCards(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tr := &http.Transport{TLSClientConfig: f.party.Config.TLS}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	const plain = `{"plain_keys":true}`
	load := func(status int, want string, parts ...string) {
		t.Helper()
		contentType, body := form(t, parts...)
		if got, _, answer := f.post(t, c, "/sandbox/cards", contentType, body); got != status || !strings.Contains(answer, want) || strings.Contains(answer, "000102") {
			t.Errorf("%d, want %d: %s", got, status, answer)
		}
	}
	load(200, `{"rows":2,"new":2,"swapped":0,"renumbered":0,"updated":0,"unchanged":0,"failed":0}`, "options", plain, "cards", cardFile)
	load(200, `"unchanged":2`, "options", plain, "cards", cardFile)
	load(200, `"errors":[{"line":2,"reason":"the row has 1 fields, the header 6"}]`, "options", plain, "cards", cardFile[:39]+"x")
	load(400, "transport key is missing", "cards", cardFile)
	load(400, "part cards is missing", "options", plain)
	load(400, `unknown part \"file\"`, "file", cardFile)
	load(400, "the part options is not", "options", `{"kek":"000102","keys":1}`, "cards", cardFile)
	load(400, "kek is not hex", "options", `{"kek":"x"}`, "cards", cardFile)
	load(400, "unknown column", "options", plain, "cards", "puk\n"+strings.Repeat("x\n", 500_000))
	if status, _, answer := f.post(t, c, "/sandbox/cards", "text/csv", strings.NewReader(cardFile)); status != 400 || !strings.Contains(answer, "multipart") {
		t.Errorf("%d %s", status, answer)
	}
	contentType, body := form(t, "options", plain, "cards", cardFile)
	cut := bytes.NewReader(body.Bytes()[:body.Len()-200])
	if status, _, answer := f.post(t, c, "/sandbox/cards", contentType, cut); status != 400 || !strings.Contains(answer, "stopped near line") {
		t.Errorf("%d %s", status, answer)
	}

	const one, two = "89410123456789012342", "89014103211118510720"
	for _, tt := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"sim/show", `{"card":"+41791234567"}`, 200, `"sim":{"device_id":"sim-` + one + `"`},
		{"sim/show", `{"card":"` + two + `"}`, 200, `"state":"STOCK"`},
		{"sim/advance", `{"card":"+41791234567","by":1000}`, 200, `"moved":1,"refused":0`},
		{"sim/advance", `{"by":5,"dry_run":true}`, 200, `"refused":0`},
		{"sim/advance", `{"card":"` + two + `","by":1099511627775}`, 200, `"moved":1,"refused":0,"least":0`},
		{"sim/advance", `{"card":"` + two + `","by":1}`, 200, `"moved":0,"refused":1`},
		{"sim/advance", `{"by":0}`, 400, "can be moved by 1 to 1099511627775"},
		{"sim/advance", `{"card":"x","by":1}`, 400, "neither an ICCID"},
		{"sim/show", `{"card":"x"}`, 400, "neither an ICCID"},
		{"sim/state", `{"iccid":"` + one + `","state":"BLOCKED"}`, 200, `{}`},
		{"sim/show", `{"card":"` + one + `"}`, 200, `"state":"INACTIVE"`},
		{"sim/state", `{"iccid":"` + one + `","state":"ACTIVE"}`, 200, `{}`},
		{"sim/state", `{"iccid":"` + one + `","state":"RETIRED"}`, 400, "state is BLOCKED or ACTIVE"},
		{"sim/state", `{"iccid":"` + two + `","state":"BLOCKED"}`, 400, "only a card in use"},
		{"sim/swap", `{"msisdn":"+41791234567","iccid":"` + two + `"}`, 200, `{}`},
		{"sim/swap", `{"msisdn":"+41791234567","iccid":"` + one + `"}`, 400, "not in stock"},
		{"sim/renumber", `{"from":"+41791234567","to":"+41791234568"}`, 200, `{}`},
		{"sim/renumber", `{"from":"+41791234567","to":"+41791234568"}`, 400, "+41****67 has no account"},
		{"sim/renumber", `{"old":"+41791234567"}`, 400, "not the expected JSON"},
		{"sim/swap", `{"number":"1"}`, 400, "not the expected JSON"},
		{"sim/state", `[]`, 400, "not the expected JSON"},
		{"sim/show", ``, 400, "not the expected JSON"},
	} {
		if status, _, answer := f.post(t, c, "/sandbox/"+tt.path, "application/json", strings.NewReader(tt.body)); status != tt.status || !strings.Contains(answer, tt.want) {
			t.Errorf("%s %s: %d %s", tt.path, tt.body, status, answer)
		}
	}
	// Other callers than the party are refused.
	other := tr.Clone()
	other.TLSClientConfig.Certificates = nil
	defer other.CloseIdleConnections()
	for _, path := range []string{"cards", "sim/show", "sim/swap", "sim/renumber", "sim/state"} {
		contentType, body := form(t, "options", plain, "cards", cardFile)
		if status, _, answer := f.post(t, &http.Client{Transport: other}, "/sandbox/"+path, contentType, body); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}

// The keys of cards are readable after a restart, but only with the master key.
func TestMasterKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box, stop := runUntil(t, Config{Dir: dir, Cards: card.NewMemory(), Apps: new(softapp.Memory)})
	load := func(box *Sandbox) simcards.Summary {
		t.Helper()
		sum, err := box.Cards.Import(t.Context(), strings.NewReader(cardFile), simcards.ImportOptions{PlainKeys: true})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if sum := load(box); sum.New != 2 {
		t.Errorf("%+v", sum)
	}
	stop()
	info, err := os.Stat(box.Path(privateDir + "/" + masterFile))
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != simcards.MasterKeySize {
		t.Errorf("%v, %v", info, err)
	}
	box, stop = runUntil(t, Config{Dir: dir, Cards: card.NewMemory(), Apps: new(softapp.Memory)})
	if sum := load(box); sum.Unchanged != 2 {
		t.Errorf("%+v", sum)
	}
	c, err := box.Store.Card(t.Context(), "89410123456789012342")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := simcards.NewKeyRing([]byte("the master key of the test cards"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Unwrap(c.ICCID, simcards.KeyKIc, c.KIc); !errors.Is(err, simcards.ErrUnwrap) {
		t.Error(err)
	}
	stop()
	if err := os.WriteFile(box.Path(privateDir+"/"+masterFile), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0", Cards: card.NewMemory()}); err == nil || !strings.Contains(err.Error(), "master key") {
		t.Error(err)
	}
}

// An imported card replaces a SIM of the sandbox: the certificate is revoked, and the account
// stays.
func TestCardForUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	before, err := f.Store.Subscriber(t.Context(), msisdn)
	if err != nil {
		t.Fatal(err)
	}
	row := strings.Replace(cardFile, "+41791234567", msisdn, 1)
	if sum, err := f.Cards.Import(t.Context(), strings.NewReader(row), simcards.ImportOptions{PlainKeys: true}); err != nil || sum.Swapped != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	after, err := f.Store.Subscriber(t.Context(), msisdn)
	if err != nil {
		t.Fatal(err)
	}
	x, err := f.Store.Certificate(t.Context(), before.Devices[0].Certificate.Serial)
	if err != nil || x.State != mssp.CertificateRevoked || x.Reason != 5 {
		t.Errorf("%+v, %v", x, err)
	}
	if after.Serial != before.Serial || len(after.Devices) != 1 || after.Devices[0].State != signum.DeviceRegistered ||
		after.Devices[0].Network != before.Devices[0].Network {
		t.Errorf("%+v", after)
	}
	shown, err := f.Cards.Show(t.Context(), msisdn)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(shown)
	if err != nil || strings.Contains(string(text), "000102") || strings.Contains(string(text), "kic") {
		t.Errorf("%s, %v", text, err)
	}
}
