package handsetpage

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum"
)

const (
	maxBody  = 4 << 10 // octets of a POST
	maxInput = 255     // characters; a card can ask for no more
)

func masked(msisdn string) string { return signum.MaskMSISDN(msisdn) }

// sameOrigin lets requests through that the person or this page makes, and refuses
// pages of other origins. The listener has checked that the Host header names the
// service.
func (h *Page) sameOrigin(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store") // assets override it
		for _, origin := range r.Header.Values("Origin") {
			if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
				h.refuse(w, http.StatusForbidden, "origin")
				return
			}
		}
		if cross.Check(r) != nil {
			h.refuse(w, http.StatusForbidden, "origin")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *Page) refuse(w http.ResponseWriter, status int, code string) {
	h.json(w, status, map[string]string{"error": code})
}

func (h *Page) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, v, jsontext.AllowInvalidUTF8(true)) // an error means that the browser has gone
}

// numberOf reads the number of a query, in which people often write + instead of
// %2B.
func numberOf(r *http.Request) string {
	n := r.URL.Query().Get("msisdn")
	if strings.HasPrefix(n, " ") {
		n = "+" + n[1:]
	}
	return n
}

// page serves the same page for all handsets; its script fetches the content.
func (h *Page) page(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	if r.URL.Query().Has("msisdn") {
		if _, err := h.Handsets.Dialogue(numberOf(r)); err != nil {
			status = http.StatusNotFound
		}
	}
	f := h.files["index.html"]
	w.Header().Set("Content-Type", f.MIME)
	w.WriteHeader(status)
	_, _ = w.Write(f.Body)
}

func (h *Page) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	f, ok := h.files[name]
	if !ok || name == "index.html" {
		http.NotFound(w, r)
		return
	}
	f.Serve(w, r)
}

type entry struct {
	MSISDN string `json:"msisdn"`
	ICCID  string `json:"iccid"`
	Name   string `json:"name"`
}

func (h *Page) list(w http.ResponseWriter, r *http.Request) {
	list := []entry{}
	for _, i := range h.Handsets.List() {
		list = append(list, entry(i))
	}
	h.json(w, http.StatusOK, map[string]any{"handsets": list})
}

// press handles one key press and answers 204 if the dialogue took it. The open
// pages then get the new state of the screen.
func (h *Page) press(w http.ResponseWriter, r *http.Request) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		h.refuse(w, http.StatusUnsupportedMediaType, "type")
		return
	}
	var in struct {
		MSISDN string `json:"msisdn"`
		ID     uint64 `json:"id,string"`
		Key    Key    `json:"key"`
		Input  string `json:"input"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status = http.StatusRequestEntityTooLarge
		}
		h.refuse(w, status, "malformed")
		return
	}
	err = json.Unmarshal(body, &in, json.RejectUnknownMembers(true))
	clear(body) // it may contain a PIN
	if err != nil || in.MSISDN == "" || !slices.Contains([]Key{KeyOK, KeyCancel, KeyBack}, in.Key) || in.Input != "" && in.Key != KeyOK || utf8.RuneCountInString(in.Input) > maxInput {
		h.refuse(w, http.StatusBadRequest, "malformed") // without the error, which may quote the PIN
		return
	}
	err = h.Handsets.Press(in.MSISDN, in.ID, in.Key, in.Input)
	outcome := "pressed"
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, ErrUnknown):
		outcome = "unknown"
		h.refuse(w, http.StatusNotFound, outcome)
		return // what is not a number of ours does not go to the log
	case errors.Is(err, ErrStale):
		outcome = "stale"
		h.refuse(w, http.StatusConflict, outcome)
	case errors.Is(err, ErrInput):
		outcome = "input"
		h.refuse(w, http.StatusUnprocessableEntity, outcome)
	default:
		outcome = "failed"
		h.refuse(w, http.StatusInternalServerError, "internal")
	}
	h.wakeAll(in.MSISDN)
	h.Logger.Info("handset page: key", "msisdn", masked(in.MSISDN), "dialogue", in.ID, "key", in.Key, "outcome", outcome)
}
