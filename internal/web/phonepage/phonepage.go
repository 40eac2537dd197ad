package phonepage

import (
	"embed"
	"log/slog"
	"maps"
	"net/http"
	"strings"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/visible"
	"github.com/signum-mssp/signum/internal/web"
)

//go:embed static
var static embed.FS

// Config of the page.
type Config struct {
	ServiceName string          // what users know the service by
	Logger      *slog.Logger    // gets the stacks of panics; nil: they are discarded
	Events      *event.Recorder // takes the events of requests; nil: they are discarded
}

type handler struct {
	Config
	page  web.File
	files map[string]web.File // by path below /phone/
}

// Handler serves the App under /phone: the page there, its files below. The App
// speaks to /app/v2 of the same host.
//
// A request for the page is an event. Browsers fetch or revalidate each file of
// the page with it, so of those only refusals and errors are.
func Handler(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Events == nil {
		c.Events = event.New(nil, c.Logger)
	}
	h := &handler{Config: c, files: web.ReadFiles(static, "static", c.ServiceName)}
	h.page = h.files["index.html"]
	delete(h.files, "index.html") // its only address is /phone
	maps.Copy(h.files, web.ReadFiles(visible.Scripts, ".", c.ServiceName))
	return web.Secure(http.HandlerFunc(h.serve))
}

// serve answers a request and emits its event.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	op := "file"
	if r.URL.Path == "/phone" {
		op = "page"
	}
	e := h.Events.Begin("pages", op, clientaddr.Source(r))
	s := &statusWriter{ResponseWriter: w}
	if err := h.answer(s, r, e); err != nil {
		incident := h.Events.Fail(r.Context(), e, err)
		if s.status == 0 { // else the answer is on its way, and ends early
			http.Error(s, "internal error "+incident, http.StatusInternalServerError)
		}
	}
	e.Status = s.status
	refused := e.Status >= http.StatusBadRequest
	if refused && e.Cause == nil {
		h.Events.Sample(e)
	}
	if op == "page" || refused || e.Cause != nil {
		h.Events.Emit(r.Context(), e)
	}
}

func (h *handler) answer(w http.ResponseWriter, r *http.Request, e *event.Event) (err error) {
	defer event.RescueTo(&err, h.Logger, "phone page")
	name, below := strings.CutPrefix(r.URL.Path, "/phone/")
	f, ok := h.files[name]
	if e.Op == "page" {
		f, ok = h.page, true
	}
	switch {
	case below && name == "":
		to := *r.URL
		to.Path = "/phone" // with its query
		http.Redirect(w, r, to.RequestURI(), http.StatusPermanentRedirect)
		return nil
	case !ok:
		e.Reason = "missing"
		http.NotFound(w, r)
		return nil
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		e.Reason = "method"
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return nil
	}
	if name == "sw.js" {
		w.Header().Set("Service-Worker-Allowed", "/phone") // above its own directory
	}
	f.Serve(w, r)
	return nil
}

// statusWriter remembers the status of an answer; 0 until there is one.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.ResponseWriter.WriteHeader(status)
	if w.status == 0 {
		w.status = status
	}
}

func (w *statusWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return n, err
}

// Unwrap serves http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
