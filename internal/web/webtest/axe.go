package webtest

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signum-mssp/signum/internal/testkit"
)

//go:embed axe
var axeFiles embed.FS

// Axe checks the page with axe-core, by the rules of WCAG 2.2, level AA. It is slower
// than Accessible and finds more.
func (p *Tab) Axe(where string) {
	p.T.Helper()
	files, err := fs.Sub(axeFiles, "axe")
	if err != nil {
		p.T.Fatal(err)
	}
	dir := testkit.NodePackages(p.T, "axe", files)
	source, err := os.ReadFile(filepath.Join(dir, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		p.T.Fatal(err)
	}
	Eval[bool](p, `window.axe ? true : (() => { `+string(source)+`; return true; })()`)
	for _, s := range Eval[[]string](p, axeProblems) {
		p.T.Errorf("%s: axe: %s", where, s)
	}
}

// A bar that sticks to an edge covers what can be scrolled from under it, which axe-core
// cannot know. So it stands in its place meanwhile.
const axeProblems = `(async () => {
	const bars = [...document.querySelectorAll('nav')];
	for (const b of bars) b.style.position = 'static';
	const r = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
	for (const b of bars) b.style.position = '';
	return r.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.html.slice(0, 160) + ' ' + n.failureSummary.replaceAll('\n', ' ')));
})()`
