package portal

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/signum-mssp/signum/internal/lang"
)

// texts returns all texts by language and key.
var texts = sync.OnceValues(func() (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for _, l := range lang.All {
		b, err := files.ReadFile("lang/" + l + ".json")
		if err != nil {
			return nil, err
		}
		var m map[string]string
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("portal: texts %s: %w", l, err)
		}
		all[l] = m
	}
	return all, nil
})

// text returns a text with its arguments. An unknown key is an error.
func text(lang, key string, args ...any) (string, error) {
	all, err := texts()
	if err != nil {
		return "", err
	}
	s, ok := all[lang][key]
	if !ok {
		return "", fmt.Errorf("portal: no text %q in %q", key, lang)
	}
	if len(args) == 0 {
		return s, nil
	}
	return fmt.Sprintf(s, args...), nil
}

// languageOf returns the language of the cookie, else the one that the browser
// prefers.
func languageOf(r *http.Request) string {
	if k, err := r.Cookie(langCookie); err == nil && slices.Contains(lang.All, k.Value) {
		return k.Value
	}
	best, weight := lang.Default, 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, params, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
		if q > weight && slices.Contains(lang.All, primary) {
			best, weight = primary, q
		}
	}
	return best
}

// parsePages combines the layout with each page.
func parsePages() (map[string]*template.Template, error) {
	if _, err := texts(); err != nil {
		return nil, err
	}
	layout, err := template.ParseFS(files, "pages/layout.html")
	if err != nil {
		return nil, err
	}
	entries, err := files.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".html")
		if !ok || name == "layout" {
			continue
		}
		t, err := template.Must(layout.Clone()).ParseFS(files, "pages/"+e.Name())
		if err != nil {
			return nil, err
		}
		pages[name] = t.Lookup("layout.html")
	}
	return pages, nil
}
