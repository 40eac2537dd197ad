package control

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
)

// File is a file of the sandbox's directory that clients need.
type File struct {
	Name   string `json:"name"`
	Access bool   `json:"access"` // it has a private key or a password
}

// Files are the files for clients.
type Files interface {
	Files() []File
	// ReadFile returns the content of one of them. A file that needs no access may contain
	// more for those who have it.
	ReadFile(name string, access bool) ([]byte, error)
}

const filesPath = "/sandbox/files/"

func (c *Control) fileRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET " + filesPath + "{$}":    http.HandlerFunc(c.listFiles),
		"GET " + filesPath + "{name}": c.file(c.access),
	}
}

// errPlain is the refusal over plain http, to callers with access as well.
var errPlain = errors.New("a file with a private key is sent over https only")

// PublicFiles serves the same files over plain http, for clients that have yet to learn
// which certificates to trust: only what anybody may read.
func (c *Control) PublicFiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+filesPath+"{$}", c.listFiles)
	mux.Handle("GET "+filesPath+"{name}", c.file(func(*http.Request) (int, error) {
		return http.StatusForbidden, fmt.Errorf("%w: %s%s", errPlain, c.BaseURL, filesPath)
	}))
	return mux
}

func (c *Control) listFiles(w http.ResponseWriter, r *http.Request) {
	c.calls.Answer(w, http.StatusOK, map[string][]File{"files": c.in(r.Context()).Files.Files()})
}

// file sends a file of the list. access judges the caller; a wrong token is a mistake that a
// public file must not hide.
func (c *Control) file(access func(*http.Request) (status int, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		files, name := c.in(r.Context()).Files, r.PathValue("name")
		all := files.Files()
		i := slices.IndexFunc(all, func(f File) bool { return f.Name == name })
		if i < 0 {
			c.calls.Refuse(w, http.StatusNotFound, fmt.Errorf("there is no file %q; %s lists them", name, filesPath))
			return
		}
		status, err := access(r)
		if err != nil && (all[i].Access || r.Header.Get("Authorization") != "" && !errors.Is(err, errPlain)) {
			c.refuse(w, status, err)
			return
		}
		data, err := files.ReadFile(name, err == nil)
		if err != nil {
			c.Log.Error("control: a file for clients cannot be read", "file", name, "err", err)
			c.calls.Refuse(w, http.StatusInternalServerError, fmt.Errorf("%s cannot be read at the moment", name))
			return
		}
		h := w.Header()
		h.Set("Content-Type", mediaType(name))
		h.Set("Cache-Control", "no-store") // keys, and certificates that a later start replaces
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(data)
	})
}

func mediaType(name string) string {
	switch path.Ext(name) {
	case ".pem", ".crt":
		return "application/pem-certificate-chain" // RFC 8555, clause 9.1
	case ".p12":
		return "application/x-pkcs12"
	case ".json":
		return "application/json"
	}
	return "application/octet-stream"
}
