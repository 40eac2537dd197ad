package event

import (
	"log/slog"
	"net/http"
)

// Handler is next with a rescue around it, for a whole http.Server: the last
// resort for what no inner handler has rescued. A call that panics is answered
// with 500, if nothing was sent yet.
func Handler(log *slog.Logger, where string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer RescueHTTP(log, where, w, nil)
		next.ServeHTTP(w, r)
	})
}

// RescueHTTP is Rescue for a handler. answer tells the client what its protocol
// says of an internal error; nil sends 500 and a line of text. If the answer was
// under way when the handler panicked, the client gets a broken one either way.
// http.ErrAbortHandler passes: it is how a handler cuts the connection on
// purpose.
func RescueHTTP(log *slog.Logger, where string, w http.ResponseWriter, answer func(http.ResponseWriter, *Panic)) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v)
	default:
		p := report(log, where, v)
		if answer == nil {
			http.Error(w, "internal error "+p.Incident, http.StatusInternalServerError)
			return
		}
		answer(w, p)
	}
}
