package edge

import (
	"io"
	"net/http"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
)

// RefuseBrowsers answers 403 to what the page of some site makes a browser send.
// A developer's browser may hold the certificate of a party, and would use it for
// any page that asks. Browsers mark such requests with Origin or Sec-Fetch-Site,
// which a page cannot remove, and no other client has a reason to send either. An
// address that a person types is marked none, and passes: contracts are read so.
func RefuseBrowsers(events *event.Recorder, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromPage(r.Header) {
			next.ServeHTTP(w, r)
			return
		}
		e := events.Begin("mss", "page of a browser", clientaddr.Source(r))
		e.Status, e.Reason = http.StatusForbidden, "browser"
		events.Sample(e)
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Connection", "close") // the body is not read
		w.WriteHeader(e.Status)
		_, _ = io.WriteString(w, "This service does not take requests from web pages.\n")
		events.Emit(r.Context(), e)
	})
}

// fromPage looks at all values of a header: a proxy may have added one.
func fromPage(h http.Header) bool {
	if _, ok := h["Origin"]; ok {
		return true
	}
	for _, site := range h["Sec-Fetch-Site"] {
		if site != "none" {
			return true
		}
	}
	return false
}
