package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed phone
var phoneFiles embed.FS

// file is one that is served as it is.
type file struct {
	mime, etag string
	body       []byte
}

// The types are given here: those of the machine may differ.
var mimeOf = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".webmanifest": "application/manifest+json",
}

// Phone serves the App under /phone: the page there, its files below. The App
// speaks to /app/v1 of the same host.
func Phone() http.Handler {
	files := readFiles(phoneFiles, "phone")
	files["/phone"] = files["/phone/index.html"]
	delete(files, "/phone/index.html")
	return secure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[r.URL.Path]
		switch {
		case r.URL.Path == "/phone/":
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
		if r.URL.Path == "/phone/sw.js" {
			w.Header().Set("Service-Worker-Allowed", "/phone") // above its own directory
		}
		f.serve(w, r)
	}))
}

// readFiles reads an embedded directory; the names begin with a slash.
func readFiles(from embed.FS, dir string) map[string]file {
	files := make(map[string]file)
	err := fs.WalkDir(from, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := from.ReadFile(name)
		sum := sha256.Sum256(body)
		files["/"+name] = file{mimeOf[path.Ext(name)], `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`, body}
		return err
	})
	if err != nil {
		panic(err) // what is embedded can be read
	}
	return files
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("ETag", f.etag)
	// Asked for each time: modules of different versions must not meet.
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
