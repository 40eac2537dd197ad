package edge

import (
	"net/http"
	"strconv"
)

// document serves a Document, with the base URL that the client used.
func document(d Document) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.Query != "" && !r.URL.Query().Has(d.Query) {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "Messages are sent with POST; the contract is at ?"+d.Query, http.StatusMethodNotAllowed)
			return
		}
		body := d.Body("https://" + r.Host)
		w.Header().Set("Content-Type", d.ContentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // if the client is gone, it needs no answer
	})
}
