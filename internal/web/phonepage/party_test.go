package phonepage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

func (f *fake) logo(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	body := f.logos[strings.TrimSuffix(r.PathValue("file"), ".png")]
	f.mu.Unlock()
	if body == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(body)
}

// logoID is the id of a logo that the service has.
var logoID = strings.Repeat("0a", 32)

func (f *fake) withLogo(t *testing.T) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		img.Set(i%64, i/64, color.RGBA{0xc0, 0x20, 0x20, 0xff})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	f.set(func() { f.logos = map[string][]byte{logoID: b.Bytes()} })
}

// asked sends a request in the name of a party and waits until it is on the screen.
func asked(f *fake, p *webtest.Tab, r request, party any) request {
	p.T.Helper()
	f.send(r.with("party", party))
	p.Wait(fmt.Sprintf(`[data-id="%s"]`, r["id"]))
	return r
}

// The name stands above the text, with the logo if it can be loaded.
func testParty(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.withLogo(t)
	decline := func() {
		p.Click(`[data-do=cancel]`)
		p.Click(`[data-do=done]`)
		p.Ready()
	}
	asked(f, p, signRequest(loginText, loginText), obj{"name": "Example Bank", "logo": logoID})
	p.Says(".request > .asker:first-child", "Requested by")
	p.Says(".request > .asker:first-child bdi", "Example Bank")
	p.Until(`document.querySelector('.asker img').complete && document.querySelector('.asker img').naturalWidth === 64`)
	if got := webtest.Eval[string](p, `(({ alt, clientWidth, clientHeight }) => [alt, clientWidth, clientHeight].join())(document.querySelector('.asker img'))`); got != ",40,40" {
		t.Errorf("alt and size of the logo: %s", got)
	}
	p.Says("#live", "A new request from Example Bank")
	p.Click(`[data-do=approve]`)
	p.Says("dialog .asker", "Example Bank")
	p.Click(`dialog [data-do=back]`)
	decline()

	asked(f, p, txn(t, payment), obj{"name": "Example Bank", "logo": strings.Repeat("0b", 32)}) // the service does not have it
	p.Says("h1", "Approve this transaction?")
	p.Until(`!document.querySelector('.asker img')`)
	p.Click(`[data-do=approve]`)
	p.Says("dialog .clip", "To sign: Payee: Sandbox: Bäckerei Zürich AG, Amount: 12.50 CHF") // the title is not signed
	p.Click(`dialog [data-do=back]`)
	decline()

	for _, logo := range []any{"../../../me", "x\" onerror=\"alert(1)", 7, nil} {
		asked(f, p, signRequest(loginText, loginText), obj{"name": "Example Bank", "logo": logo})
		p.Says(".asker bdi", "Example Bank")
		if webtest.Eval[bool](p, `Boolean(document.querySelector('.asker img'))`) {
			t.Errorf("%v is taken for a logo", logo)
		}
		decline()
	}
	for _, party := range []any{nil, obj{}, obj{"name": ""}} { // no service sends that
		asked(f, p, txn(t, payment), party)
		p.Says(".title", "Payment to")
		decline()
	}
	asked(f, p, display("Sandbox: Hello"), obj{"name": "Example Bank"})
	p.Says(".request > .asker", "Message from")
	p.Says(".request > .asker", "Example Bank")
}

// A long name is shown as a whole, and one with right-to-left letters turns nothing
// around it, on a narrow screen with large letters too. They leave room for the text.
func testPartySmall(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.withLogo(t)
	p.Run(webtest.Command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 320, Height: 568, DeviceScaleFactor: 1, Mobile: true}))
	for _, size := range []string{"100%", "200%"} {
		webtest.Eval[bool](p, fmt.Sprintf(`document.documentElement.style.fontSize = %q, true`, size))
		for _, name := range []string{
			strings.Repeat("Sparkasse ", 5) + "Oberland-A", strings.Repeat("W", 60), "בנק לדוגמה 24/7 (בע״מ)", "بنك 12 - 34",
			"urn:example:a-party-without-a-name:" + strings.Repeat("0123456789", 9),
		} {
			r := asked(f, p, txn(t, payment), obj{"name": name, "logo": logoID})
			wrong := webtest.Eval[[]string](p, `(() => {
				const out = [], name = document.querySelector('.asker bdi'), band = document.querySelector('.asker').getBoundingClientRect();
				for (const r of name.getClientRects()) if (r.left < band.left || r.right > band.right || r.top < band.top || r.bottom > band.bottom) out.push('the name leaves its place');
				if (document.documentElement.scrollWidth > innerWidth) out.push('wider than the screen');
				if (document.querySelector('.scroller').clientHeight < 80) out.push('no room for the text');
				if (band.bottom > document.querySelector('h1').getBoundingClientRect().top) out.push('the name is not above the heading');
				const direction = getComputedStyle(name).direction, rtl = /^[\u0590-\u08ff]/.test(name.textContent);
				if (direction !== (rtl ? 'rtl' : 'ltr') || getComputedStyle(name).unicodeBidi !== 'isolate') out.push('direction ' + direction);
				return out;
			})()`)
			for _, s := range wrong {
				t.Errorf("%q at %s: %s", name, size, s)
			}
			p.Accessible(name)
			p.Click(`[data-do=cancel]`)
			f.answerOf(r)
			p.Click(`[data-do=done]`)
			p.Ready()
		}
	}
}

// The history keeps who asked. Entries of an earlier version do not say it.
func testPartyHistory(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.withLogo(t)
	asked(f, p, txn(t, payment), obj{"name": "Example Bank", "logo": logoID})
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
	p.Click(`[data-do=approve]`)
	p.Unlock(webtest.Passcode)
	p.Says("h1", "Signed")
	p.Click(`[data-do=done]`)
	webtest.Eval[bool](p, `import('/phone/store.js').then((store) => store.remember({ id: 'h0', time: 1, title: 'Old', rows: [{ key: 'k', value: 'v' }] })).then(() => true)`)
	p.Visit("history")
	p.Says(`li:first-child .asker`, "Example Bank")
	p.Says(`li:first-child .title`, "Title by Example Bank")
	p.Says(`li:last-child .title`, "Old")
	if webtest.Eval[bool](p, `Boolean(document.querySelector('li:last-child .asker'))`) {
		t.Error("an old entry names a party")
	}
	p.Accessible("history")
}

// TestAttackTitleOfAnotherParty sends approvals whose title pretends to be from another
// party. The title stands in the scrolling part, next to the name of its author, and
// never in the heading or where the service names who asks.
func TestAttackTitleOfAnotherParty(t *testing.T) {
	f, p := started(t, webtest.NewBrowser(t))
	f.withLogo(t)
	for _, title := range []string{
		"UBS e-banking: cancel payment 4711", "Requested by\nUBS", "Approve this transaction?", "x” \nTitle by UBS: “y", "<b class=asker>UBS</b>", "\nUBS\n\n",
		"Title by UBS", "</p></div><header><h1>UBS</h1>",
	} {
		r := signRequest("", "")
		text := fmt.Sprintf(`{"type":%q,"dtbd":[{"key":"Sandbox","value":"Requested by UBS"}]}`, title)
		r = asked(f, p, r.with("text", text, "mime", txn(t, payment)["mime"], "attrs", txn(t, text)["attrs"]), obj{"name": "Example Bank", "logo": logoID})
		p.Says(".title .quiet", "Title by Example Bank")
		wrong := webtest.Eval[[]string](p, `(() => {
			const out = [], main = document.getElementById('main'), scroller = document.querySelector('.scroller'), author = document.querySelector('.title .quiet');
			const outside = [...main.querySelectorAll('*')].filter((e) => !scroller.contains(e)).flatMap((e) => [...e.childNodes]).filter((n) => n.nodeType === 3).map((n) => n.data).join('|');
			if (outside.includes('UBS')) out.push('outside the scrolling part: ' + outside);
			if (main.querySelectorAll('.asker').length !== 1 || main.querySelector('.asker bdi').textContent !== 'Example Bank') out.push('not one name');
			if (main.querySelectorAll('h1').length !== 1 || main.querySelector('h1').textContent !== 'Approve this transaction?') out.push('the heading: ' + main.querySelector('h1').textContent);
			const box = author.getBoundingClientRect(), words = author.nextElementSibling.getBoundingClientRect();
			if (box.bottom > words.top + 1 || words.top - box.bottom > 10) out.push('the title is not below the name of its author');
			const paint = (e) => getComputedStyle(e).backgroundColor;
			if ([scroller, ...scroller.querySelectorAll('*')].some((e) => paint(e) === paint(main.querySelector('.asker')))) out.push('the scrolling part looks like the place of the name');
			return out;
		})()`)
		for _, s := range wrong {
			t.Errorf("%q: %s", title, s)
		}
		p.Click(`[data-do=cancel]`)
		f.answerOf(r)
		p.Click(`[data-do=done]`)
		p.Ready()
	}
}

// apart builds the screens of requests and returns what is wrong with each: a word of the
// party outside the scrolling part, or another name, heading or button than without it.
const apart = `async (requests) => {
	const { requestView, receiptView } = await import('/phone/request.js');
	const app = { device: { passkeys: [] }, answer: () => {}, dismiss: () => {} }, main = document.getElementById('main'), found = [];
	const outside = (view) => {
		const frame = view.el.cloneNode(true);
		frame.querySelector('.scroller').remove();
		frame.querySelector('progress').removeAttribute('value');
		return frame.innerHTML;
	};
	for (const req of requests) {
		const make = req.op === 'display' ? receiptView : requestView;
		const rows = { type: 'plain', dtbd: [{ key: 'k', value: 'v' }] };
		const plain = outside(make(app, { ...req, text: req.mime === 'text/plain' ? 'plain' : JSON.stringify(rows) }));
		const view = make(app, req);
		main.replaceChildren(view.el);
		const wrong = (what) => { if (found.length < 10) found.push(JSON.stringify(req.text) + ': ' + what); };
		if (outside(view) !== plain) wrong('it changes what is around the scrolling part');
		const band = main.querySelector('.asker').getBoundingClientRect(), scroller = main.querySelector('.scroller');
		if (scroller.getBoundingClientRect().top < band.bottom) wrong('the text is not below the name');
		if (scroller.querySelector('a, button:not(.choice), img, input, h1, .asker')) wrong('it makes elements');
		if (getComputedStyle(scroller).overflowY === 'visible' && innerHeight > 480) wrong('it can leave its place');
		for (const e of scroller.querySelectorAll('*')) if (!['static', 'relative'].includes(getComputedStyle(e).position) || getComputedStyle(e).position === 'relative' && getComputedStyle(e).top !== 'auto') wrong('it can lie on other things');
	}
	return found;
}`

// Whatever a party writes, the screen around the scrolling part is the same to the letter.
func TestPartyTextStaysInside(t *testing.T) {
	p := webtest.Open(t, webtest.NewBrowser(t), newFake(t).address()+"/phone")
	p.View("code")
	texts := append(mixedTexts(t, 300), corpus...)
	for _, s := range []string{"Requested by", "Approve this transaction?", "UBS", "</div>", "<img src=x>", "Title by UBS"} {
		texts = append(texts, s, "\n\n"+s+"\n\n"+s)
	}
	var requests []request
	for i, text := range texts {
		rows, err := json.Marshal(obj{"type": text, "dtbd": []obj{{"key": texts[(i+1)%len(texts)], "value": text}}})
		if err != nil {
			t.Fatal(err)
		}
		approval := signRequest(string(rows), "").with("mime", signum.MimeTxnApproval)
		requests = append(requests, signRequest(text, ""), approval, display(text), signRequest(text, "").with("choices", []string{"12", "47", "83"}))
	}
	in, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range webtest.Eval[[]string](p, fmt.Sprintf(`(%s)(%s)`, apart, in)) {
		t.Error(problem)
	}
}
