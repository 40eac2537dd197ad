package visible_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/signum-mssp/signum/internal/visible"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// open opens an empty page that can import visible.js.
func open(t *testing.T, browser context.Context) *webtest.Tab {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(visible.Scripts))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!DOCTYPE html><html lang=en><title>test</title><link rel=icon href="data:,">`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return webtest.Open(t, browser, s.URL)
}

// verdict is a problem as the page reports it; nil if the text is accepted.
type verdict struct {
	What     string
	Rune     rune
	Position int
}

var reasons = map[string]string{
	"a character that no phone can show":   "unseen",
	"too many marks on one character":      "marks",
	"the same mark twice in a row":         "same",
	"more than three line breaks in a row": "breaks",
}

func goVerdict(text string) *verdict {
	var p *visible.Problem
	if !errors.As(visible.Check(text), &p) {
		return nil
	}
	return &verdict{What: reasons[p.What], Rune: p.Rune, Position: p.Position}
}

// TestBrowserAgrees compares the verdicts of the service and of the pages: for every
// code point, and for texts of characters that have rules.
func TestBrowserAgrees(t *testing.T) {
	browser := webtest.NewBrowser(t)
	p := open(t, browser)
	if got := webtest.Eval[string](p, `import('/visible-table.js').then((m) => m.UNICODE)`); got != visible.Unicode {
		t.Errorf("the pages have Unicode %s, the service %s", got, visible.Unicode)
	}
	// One character for each code point: the page's verdict.
	got := webtest.Eval[string](p, `import('/visible.js').then((m) => {
		let out = '';
		for (let r = 0; r <= 0x10ffff; r++) out += m.refusal(String.fromCodePoint(r)) ? '1' : '0';
		return out;
	})`)
	differ := 0
	for r := range rune(utf8.MaxRune + 1) {
		// A lone surrogate cannot be written in UTF-8; Go decodes it as invalid.
		if refused := visible.Check(string(r)) != nil; refused != (got[r] == '1') {
			if differ++; differ < 20 {
				t.Errorf("%U: the service refuses it: %v, the page: %v", r, refused, !refused)
			}
		}
	}
	texts := generated(t)
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		V    *verdict
		Runs string
	}
	answers := webtest.Eval[[]answer](p, fmt.Sprintf(`import('/visible.js').then((m) => %s.map((s) => ({ V: m.refusal(s), Runs: m.runs(s).map((r) => (r.rtl ? '<' : '') + r.text).join('|') })))`, in))
	refused := 0
	for i, text := range texts {
		want := goVerdict(text)
		if (want == nil) != (answers[i].V == nil) || want != nil && *want != *answers[i].V {
			t.Errorf("%+q: the service says %v, the page %v", text, want, answers[i].V)
		}
		if want != nil {
			refused++
		}
		var runs []string
		for _, r := range visible.Runs(text) {
			if r.RightToLeft {
				r.Text = "<" + r.Text
			}
			runs = append(runs, r.Text)
		}
		if s := strings.Join(runs, "|"); s != answers[i].Runs {
			t.Errorf("%+q: the service has runs %+q, the page %+q", text, s, answers[i].Runs)
		}
	}
	t.Logf("%d of %d texts are refused", refused, len(texts))
	if refused < len(texts)/10 || refused > len(texts)*9/10 {
		t.Error("nearly all texts are judged alike, so they compare nothing")
	}
}

// pieces are what the rules are about.
var pieces = []string{
	"a", "1", "#", " ", "\u00a0", "\n", "\r", "\r\n", "\f", "\t", "\u2800", "ä", "中", "-", "<|>",
	"é", "ế", "\u0344", "\u0301", "\u0302", "\u0323", "\u0300\u0303", "\u20dd", "\u20e3", "\u200c", "\u200d", "\ufe0f", "\u200b", "\u202e",
	"א", "ב\u05b0", "ש", "ب", "د", "م\u064e", "١", "\u07ca", "\u07c1", "־", "क", "\u094d", "क\u094d\u200dष", "ी",
	"👍", "👨", "👩", "❤\ufe0f", "❤", "\U0001f3fb", "\U0001f3ff", "👨\u200d💻", "🏳\ufe0f\u200d🌈", "🏴", "🇨🇭", "1\ufe0f\u20e3",
	"🧑\U0001f3fb\u200d❤\ufe0f\u200d🧑\U0001f3ff", "👩\U0001f3fb\u200d🤝\u200d👩\U0001f3fb",
}

func generated(t *testing.T) []string {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	texts := make([]string, 20000)
	for r := range rune(utf8.MaxRune + 1) { // each composed character with its last part twice
		if d := []rune(norm.NFD.String(string(r))); d[0] != r {
			texts = append(texts, string(r)+string(d[len(d)-1]))
		}
	}
	for i := range 20000 {
		var b strings.Builder
		for range 1 + rng.IntN(7) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		texts[i] = b.String()
	}
	return texts
}
