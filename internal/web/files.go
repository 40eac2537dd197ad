package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// File is a static file of a page.
type File struct {
	MIME string // media type
	Body []byte
	etag string
}

// mimeOf lists the media types by extension. The tables of the operating system may
// differ.
var mimeOf = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".webmanifest": "application/manifest+json",
}

// NewFile returns a file; its media type follows from the name.
func NewFile(name string, body []byte) File {
	sum := sha256.Sum256(body)
	return File{MIME: mimeOf[path.Ext(name)], Body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`}
}

// servicePlaceholder is replaced with the name of the service in embedded files: as
// text in HTML, as a complete string literal in scripts and manifests.
const servicePlaceholder = "SERVICE_NAME"

// ReadFiles reads an embedded directory and inserts the name of the service. The keys
// are paths relative to the directory.
func ReadFiles(from embed.FS, dir, serviceName string) map[string]File {
	files := make(map[string]File)
	literal, err := json.Marshal(serviceName)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	err = fs.WalkDir(from, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := from.ReadFile(name)
		if path.Ext(name) == ".html" {
			body = bytes.ReplaceAll(body, []byte(servicePlaceholder), []byte(html.EscapeString(serviceName)))
		} else {
			body = bytes.ReplaceAll(body, []byte(`"`+servicePlaceholder+`"`), literal)
		}
		files[strings.TrimPrefix(name, dir+"/")] = NewFile(name, body)
		return err
	})
	if err != nil {
		panic(err) // embedded files can always be read
	}
	return files
}

// Serve answers a GET or HEAD request with the file.
func (f File) Serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.MIME)
	h.Set("ETag", f.etag)
	// Browsers must revalidate each time, so that a page never mixes modules of
	// different versions.
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Body))
}
