package webtest

// Accessible checks what a machine can check: names, labels, contrast.
func (p *Tab) Accessible(where string) {
	p.T.Helper()
	for _, s := range Eval[[]string](p, accessibility) {
		p.T.Errorf("%s: %s", where, s)
	}
}

// accessibility lists the problems of the visible elements.
const accessibility = `(() => {
	const out = [], top = document.querySelector('dialog[open]') ?? document.body;
	const visible = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('.unseen');
	const name = (e) => (e.getAttribute('aria-label') || (e.getAttribute('aria-labelledby') ?? '').split(' ').map((i) => document.getElementById(i)?.textContent ?? '').join('')
		|| [...(e.labels ?? [])].map((l) => l.textContent).join('') || (/^(INPUT|SELECT)$/.test(e.tagName) ? '' : e.textContent)).trim();
	for (const e of top.querySelectorAll('button, a, input, select, progress, dialog, [role=region], [role=group]')) if (visible(e) && !name(e)) out.push('no name: ' + e.outerHTML);
	for (const e of document.querySelectorAll('img:not([alt])')) out.push('no alt: ' + e.outerHTML);
	const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
	for (const i of ids) if (ids.indexOf(i) !== ids.lastIndexOf(i)) out.push('twice: #' + i);
	for (const e of document.querySelectorAll('[aria-describedby], [aria-labelledby]'))
		for (const i of [e.getAttribute('aria-describedby'), e.getAttribute('aria-labelledby')].join(' ').split(' ')) if (i && !ids.includes(i)) out.push('refers to nothing: ' + i);
	if (!document.documentElement.lang) out.push('no language');
	if (document.querySelectorAll('main h1').length !== 1) out.push('not one heading');
	if (document.documentElement.scrollWidth > document.documentElement.clientWidth) out.push('wider than the screen');
	const rgb = (s) => { const m = s.match(/[\d.]+/g).map(Number); return { c: m.slice(0, 3), a: m[3] ?? 1 }; };
	const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	for (const e of top.querySelectorAll('*')) {
		if (!visible(e) || e.disabled || e.closest('[aria-busy]') || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const style = getComputedStyle(e), size = parseFloat(style.fontSize), big = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
		let back = e;
		while (back && rgb(getComputedStyle(back).backgroundColor).a < 1) back = back.parentElement;
		if (!back) continue;
		const [a, b] = [light(rgb(style.color).c), light(rgb(getComputedStyle(back).backgroundColor).c)].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < (big ? 3 : 4.5)) out.push('contrast ' + ratio.toFixed(2) + ': ' + e.textContent);
	}
	return out;
})()`
