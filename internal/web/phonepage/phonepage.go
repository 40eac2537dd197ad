package phonepage

import (
	"embed"
	"net/http"
	"strings"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/web"
)

//go:embed static
var static embed.FS

// Config of the page.
type Config struct {
	ServiceName string          // what users know the service by
	Events      *event.Recorder // takes the one event of each request; nil: they are discarded
}

// Handler serves the App under /phone: the page there, its files below. The App
// speaks to /app/v1 of the same host.
func Handler(c Config) http.Handler {
	files := web.ReadFiles(static, "static", c.ServiceName)
	page := files["index.html"]
	delete(files, "index.html") // it has the address /phone and no other
	return web.Secure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, below := strings.CutPrefix(r.URL.Path, "/phone/")
		f, ok := files[name]
		if r.URL.Path == "/phone" {
			f, ok = page, true
		}
		switch {
		case below && name == "":
			to := *r.URL
			to.Path = "/phone" // with its query
			http.Redirect(w, r, to.RequestURI(), http.StatusPermanentRedirect)
			return
		case !ok:
			http.NotFound(w, r)
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		if name == "sw.js" {
			w.Header().Set("Service-Worker-Allowed", "/phone") // above its own directory
		}
		f.Serve(w, r)
	}))
}
