package edge

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// asked reports whether the query asks for the document. Toolkits do not agree on
// the case of the name.
func (d *Document) asked(query url.Values) bool {
	if d.Query == "" {
		return true
	}
	for name := range query {
		if strings.EqualFold(name, d.Query) {
			return true
		}
	}
	return false
}

// document serves a Document for clients that reach the service by the base URL. If
// none is configured, it is the address at which the connection arrived. The Host
// header is no source, because its sender could choose where others send their
// requests.
func document(d Document, base string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.asked(r.URL.Query()) {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "Messages are sent with POST; the contract is at ?"+d.Query, http.StatusMethodNotAllowed)
			return
		}
		base := base
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && base == "" {
			base = "https://" + local.String()
		}
		body := d.Body(base)
		w.Header().Set("Content-Type", d.ContentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Header().Set("Cache-Control", "no-cache") // another version may state another contract
		_, _ = w.Write(body)                        // if the client is gone, it needs no answer
	})
}
