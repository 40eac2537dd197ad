package phonepage

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum/internal/visible"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// measure lays texts out as a request does and returns what is wrong with each: a visible
// character without a box inside the scrolling part, or one that is not behind the one
// before it. Right-to-left letters go the other way, within their run. The unit is a grapheme cluster, since marks share the box of their base.
const measure = `async (texts) => {
	const { body } = await import('/phone/reading.js');
	const { h } = await import('/phone/dom.js');
	const scroller = h('div', { class: 'scroller' });
	document.getElementById('main').replaceChildren(h('section', { class: 'card request' }, scroller));
	document.body.classList.add('busy');
	const rtl = /[\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Thaa}\p{sc=Nkoo}\p{sc=Adlm}]/u, letter = /^\p{L}/u, blank = /^[\p{Zs}\s\u2800]+$/u;
	const clusters = new Intl.Segmenter('en', { granularity: 'grapheme' });
	const found = [];
	for (let from = 0; from < texts.length; from += 200) {
		const some = texts.slice(from, from + 200), bodies = some.map((s) => body({ text: s }));
		scroller.replaceChildren(...bodies);
		const area = scroller.getBoundingClientRect();
		some.forEach((text, i) => {
			const wrong = (what) => { if (found.length < 10) found.push(JSON.stringify(text) + ': ' + what); };
			const nodes = [], walker = document.createTreeWalker(bodies[i], NodeFilter.SHOW_TEXT);
			let shown = '';
			while (walker.nextNode()) {
				nodes.push([shown.length, walker.currentNode]);
				shown += walker.currentNode.data;
			}
			if (shown !== text.replace(/\r\n|[\r\f]/g, '\n')) return wrong('the page has another text: ' + JSON.stringify(shown));
			const at = (index, end) => {
				const [start, node] = nodes.findLast(([start]) => (end ? start < index : start <= index));
				return [node, index - start];
			};
			const onOneLine = (a, b) => Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > Math.min(a.height, b.height) / 2;
			let last, right;
			for (const { segment, index } of clusters.segment(shown)) {
				if (blank.test(segment)) {
					if (!/^[ \u00a0]+$/.test(segment)) right = undefined;
					continue;
				}
				const range = document.createRange();
				range.setStart(...at(index, false));
				range.setEnd(...at(index + segment.length, true));
				const box = range.getBoundingClientRect();
				if (box.width < 1 || box.height < 1) wrong(segment + ' has no size');
				if (box.left < area.left - 1 || box.right > area.right + 1) wrong(segment + ' is outside the scrolling part');
				if (rtl.test(segment) && letter.test(segment)) {
					if (right && onOneLine(right, box) && box.left > right.left + 1) wrong(segment + ' is to the right of the letter that it follows');
					right = box;
					continue;
				}
				right = undefined;
				if (last && (onOneLine(last, box) ? box.left <= last.left : box.top <= last.top)) wrong(segment + ' is before the character that it follows');
				last = box;
			}
		});
	}
	return found;
}`

// corpus are texts of which the reading order matters.
var corpus = []string{
	"Pay 12 \u05e9\u05dc\u05d5\u05dd - 30 CHF", "\u05e9\u05dc\u05d5\u05dd 12 - 30", "12 \u05d0 34 \u05d1 56", "\u05e9\u05dc\u05d5\u05dd (12), \u05e2\u05d5\u05dc\u05dd!",
	"\u0627\u0628\u062c 5/2026 \u062f", "\u0627\u0628 \u0661\u0662 - \u0663\u0660 \u062f\u0629", "IBAN CH93 0076 \u05d0 2011 6238 5295 7", "100 \u05d0\u05dc\u05e3 - 99 = 1",
	"\u05d0 > \u05d1, \u05d1 < \u05d0", "a\u05d0b\u05d1c", "\u07ca\u07c1\u07c2\u07c3\u07ca", "\u05d0\u05be1\u05be2\u05be\u05d1", "\u05d0\n1 - 2\n\u05d1", "\u05d0\t1\t2\t\u05d1",
	"+41 79 \u05d0 100 00 01", "\u05d0 +5 -5 5% \u20aa5 5\u20aa #5 \u05d1", "https://example.com/\u05d0/12?\u05d1=3", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 5 - 6", "\u05d0 [1] {2} \u00ab3\u00bb \u201c4\u201d \u05d1",
}

// TestAttackDigitsTurned sends texts with right-to-left letters, of which a browser would
// reorder digits and signs: "12 ... - 30" could be read as "30 - ... 12".
func TestAttackDigitsTurned(t *testing.T) {
	browser := webtest.NewBrowser(t)
	p := webtest.Open(t, browser, newFake(t).address()+"/phone")
	p.View("code")
	check := func(texts []string) {
		t.Helper()
		in, err := json.Marshal(texts)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range webtest.Eval[[]string](p, fmt.Sprintf(`(%s)(%s)`, measure, in)) {
			t.Error(problem)
		}
	}
	for _, width := range []int64{390, 1100} {
		p.Run(chromedp.EmulateViewport(width, 844))
		check(corpus)
	}
	p.Run(chromedp.EmulateViewport(320, 568))
	texts := mixedTexts(t, 10000)
	for from := 0; from < len(texts); from += 2000 {
		check(texts[from : from+2000])
	}
}

// mixedTexts are random texts that the service accepts.
func mixedTexts(t *testing.T, n int) []string {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	parts := []string{
		"0", "1", "9", "12.50", "a", "Z", "CHF", "\u00e4", "\u20ac", "%", "+", "-", "\u2212", "=", "<", ">", "(", ")", "[", "]", "\u00ab", "\u00bb", "/", ":", ",", ".", "!", "?", "\"", "'", "#", "*", "@",
		" ", " ", " ", "  ", "\u00a0", "\t", "\n", "\r\n", "\f", "\u3000", "\u2003",
		"\u05d0", "\u05d1\u05b0", "\u05e9\u05c1\u05b8", "\u05be", "\u05f3", "\u05f4", "\u20aa", "\u0627", "\u0628\u064e", "\u062f", "\u0645\u06cc\u200c\u062e", "\u061b", "\u061f", "\u066a", "\u0661", "\u06f2", "\u07ca", "\u07c1", "\u0710", "\u0780\u07a6", "\U0001e900", "\U0001e951",
		"\u4e2d", "\ud55c", "\u0e17\u0e35\u0e48", "\u0915\u094d\u0937", "\u0915\u093f", "e\u0301", "\u0391", "\u0416", "\U0001f44d", "\U0001f468\u200d\U0001f4bb", "1\ufe0f\u20e3", "\U0001f1e8\U0001f1ed", "\u2764\ufe0f", "loooooooooooooooooooooooooooooooooooooooong",
	}
	var texts []string
	for len(texts) < n {
		var b strings.Builder
		for range 2 + rng.IntN(24) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		if visible.Check(b.String()) == nil {
			texts = append(texts, b.String())
		}
	}
	return texts
}
