package app

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// octets is encoded as Base64url without padding. Each value has exactly one
// encoding.
type octets []byte

var rawURL = base64.RawURLEncoding.Strict()

func b64u(b []byte) string { return rawURL.EncodeToString(b) }

func unb64u(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // the library skips them
		return nil, errors.New("line breaks in Base64url")
	}
	return rawURL.DecodeString(s)
}

// MarshalText implements encoding.TextMarshaler.
func (o octets) MarshalText() ([]byte, error) { return rawURL.AppendEncode(nil, o), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *octets) UnmarshalText(text []byte) error {
	b, err := unb64u(string(text))
	*o = b
	return err
}

// opNames are the operations that Apps support. Activation is not among them:
// Apps are enrolled instead.
var opNames = map[mssp.DeviceOp]string{mssp.OpSign: "sign", mssp.OpDisplay: "display"}

func opNamed(name string) (mssp.DeviceOp, bool) {
	for op, n := range opNames {
		if n == name {
			return op, true
		}
	}
	return 0, false
}

// party is how the user recognises the party that asks. It comes from the service
// alone: nothing in a request of a party can set it.
type party struct {
	Name string `json:"name"`
	Logo string `json:"logo,omitempty"` // see logoPath
}

// request is a mssp.DeviceRequest in the protocol.
type request struct {
	ID          string   `json:"id"`
	Op          string   `json:"op"`
	Party       party    `json:"party"`
	Mime        string   `json:"mime"`
	Text        string   `json:"text"`
	Lang        string   `json:"lang"`
	Attrs       octets   `json:"attrs,omitempty"`
	Created     int64    `json:"created"`
	Expires     int64    `json:"expires"`
	Locate      bool     `json:"locate,omitzero"`
	Choices     []string `json:"choices,omitempty"`
	RedirectURI string   `json:"redirect_uri,omitempty"`
}

func wireOf(r *mssp.DeviceRequest) request {
	w := request{
		ID: r.TransID, Op: opNames[r.Op], Party: party(r.Party), Mime: r.MimeType, Text: r.Text, Lang: r.Lang,
		Created: r.Created.UnixMilli(), Expires: r.Expires.UnixMilli(), Locate: r.Locate, Choices: r.Choices,
	}
	if r.Op == mssp.OpSign {
		w.Attrs = r.SignedAttrs
	}
	if w.Mime == "" {
		w.Mime = "text/plain"
	}
	if r.App2App != nil {
		w.RedirectURI = r.App2App.RedirectURI
	}
	return w
}

// frame is a frame of the service.
type frame struct {
	Type      string     `json:"type"`
	Now       int64      `json:"now,omitzero"`
	Heartbeat int64      `json:"heartbeat,omitzero"` // of welcome
	Requests  *[]request `json:"requests,omitzero"`  // of sync; empty, not absent, if there are none
	Request   *request   `json:"request,omitzero"`
	ID        string     `json:"id,omitempty"` // of gone
	Op        string     `json:"op,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Notice    *notice    `json:"notice,omitzero"`
}

// clientFrame is a frame of an App.
type clientFrame struct {
	Type  string `json:"type"`
	Proof string `json:"proof"` // of hello
	ID    string `json:"id"`    // of shown
	Op    string `json:"op"`
}

// wireLocation is a mssp.Location in the protocol.
type wireLocation struct {
	Error              int     `json:"error"`
	Country            string  `json:"country"`
	Accuracy           int     `json:"accuracy"`
	DeviceConfidence   float64 `json:"device_confidence"`
	LocationConfidence float64 `json:"location_confidence"`
	Measured           int64   `json:"measured"`
}

// location converts and checks the location that a phone reports. Whether it is
// true, the service cannot tell.
func (w *wireLocation) location() (*mssp.Location, bool) {
	if w == nil {
		return nil, true
	}
	if e := signum.GeoError(w.Error); e != 0 {
		return &mssp.Location{Error: e}, e.Known()
	}
	ok := len(w.Country) == 2 && strings.Trim(w.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" &&
		w.Accuracy >= 0 && within1(w.DeviceConfidence) && within1(w.LocationConfidence) && w.Measured > 0
	return &mssp.Location{
		Country: w.Country, Accuracy: w.Accuracy, DeviceConfidence: w.DeviceConfidence,
		LocationConfidence: w.LocationConfidence, Measured: time.UnixMilli(w.Measured).UTC(),
	}, ok
}

func within1(f float64) bool { return f >= 0 && f <= 1 }
