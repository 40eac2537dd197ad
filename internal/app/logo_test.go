package app

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
)

// testLogo puts a logo into the store and returns its id.
func testLogo(t *testing.T, w *world) string {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	l, err := mssp.NewLogo(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	w.store.logos[l.ID] = l.PNG
	return l.ID
}

// A request names the party, and its logo if there is one.
func TestRequestNamesParty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	id := testLogo(t, w)
	for _, tt := range []struct {
		party mssp.PartyIdentity
		want  obj
	}{
		{mssp.PartyIdentity{Name: "Example Bank"}, obj{"name": "Example Bank"}},
		{mssp.PartyIdentity{Name: "Café \u05d0", Logo: id}, obj{"name": "Café \u05d0", "logo": id}},
	} {
		for _, edit := range []func(*mssp.DeviceRequest){func(*mssp.DeviceRequest) {}, display} {
			r := w.ask(p, "h1", func(r *mssp.DeviceRequest) { r.Party = tt.party; edit(r) })
			list := p.call("GET", "/app/v2/requests", nil).member("requests").([]any)
			if len(list) != 1 {
				t.Fatalf("%d requests", len(list))
			}
			got := list[0].(obj)["party"].(obj)
			if got["name"] != tt.want["name"] || got["logo"] != tt.want["logo"] || len(got) != len(tt.want) {
				t.Errorf("%s of %+v: party %v", opNames[r.Op], tt.party, got)
			}
			w.engine.withdraw(r)
			w.server.Cancel(t.Context(), withdrawal(p, "h1"))
		}
	}
}

// TestAttackLogoAddress asks for what is not a logo. A logo is public and never changes,
// so browsers may keep it. Anything else at these addresses is not there, and caches
// must not keep that.
func TestAttackLogoAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := testLogo(t, w)
	r := w.do("GET", logoPath+id+".png", "", nil)
	if r.status != http.StatusOK || r.head.Get("Content-Type") != "image/png" || !bytes.Equal(r.body, w.store.logos[id]) {
		t.Errorf("%d %v", r.status, r.head)
	}
	for _, file := range []string{
		id, id + ".svg", id + ".png.png", id[:63] + ".png", id + "0.png", strings.ToUpper(id) + ".png", strings.Repeat("0", 64) + ".png", ".png",
		strings.Repeat("%00", 64) + ".png", "..%2f" + id + ".png", strings.Repeat("a", 4096) + ".png",
	} {
		w.do("GET", logoPath+file, "", nil).is(t, http.StatusNotFound, "unknown")
	}
	w.store.mu.Lock()
	w.store.fail = errors.New("the store fails")
	w.store.mu.Unlock()
	w.do("GET", logoPath+id+".png", "", nil).is(t, http.StatusInternalServerError, "internal")
}

// Logos count like every other call of an address.
func TestLogosAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Limits.Address = limit.PerMinute(1, 1) })
	id := testLogo(t, w)
	if r := w.do("GET", logoPath+id+".png", "", nil); r.status != http.StatusOK {
		t.Errorf("%d", r.status)
	}
	w.do("GET", logoPath+id+".png", "", nil).is(t, http.StatusTooManyRequests, "slow")
}
