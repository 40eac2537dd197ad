// How a text is laid out, and whether it was read to its end.

import { h, icon, say } from './dom.js';
import { laidOut } from './visible.js';

// body is the text, or the rows of a transaction approval.
export function body(shown, small) {
  if (!shown.rows) return h('p', { class: small ? 'dtbs small' : 'dtbs' }, laidOut(shown.text));
  return h('dl', null, shown.rows.map((r) => h('div', null, h('dt', null, laidOut(r.key)), h('dd', null, laidOut(r.value)))));
}

// toTheEnd is a part that scrolls, a button that scrolls it by a page, and a hint to
// scroll. `done` is called once, when its end was on the screen; a short text is at its
// end at once.
export function toTheEnd(t, what, children, done) {
  // The end is an element below the text. The observer takes every clipping ancestor
  // and the window into account, so the end was on the screen, whatever scrolled.
  const end = h('div', { class: 'end' });
  const scroller = h('div', { class: 'scroller', tabindex: '0', role: 'region', 'aria-labelledby': 'title' }, children, end);
  const page = () => {
    const rest = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    if (rest > 1) scroller.scrollBy(0, scroller.clientHeight * 0.8);
    else scrollBy(0, innerHeight * 0.8);
  };
  const down = h('button', { type: 'button', class: 'down', hidden: true, 'data-do': 'down', 'aria-label': t('scrollDown'), onclick: page }, icon('down'));
  // The hint has its place from the beginning: when it appears, nothing moves.
  const hint = h('p', { class: 'hint unsure', id: 'why' }, what);
  const observer = new IntersectionObserver((entries) => {
    const waited = !down.hidden;
    if (!entries.some((e) => e.intersectionRatio >= 0.5)) {
      down.hidden = false;
      hint.classList.remove('unsure');
      return;
    }
    observer.disconnect();
    if (document.activeElement === down) scroller.focus({ preventScroll: true });
    down.hidden = true;
    hint.textContent = '';
    done();
    if (waited) say(t('atEnd'), t.lang);
  }, { threshold: [0.5, 1] });
  return { scroller, down, hint, watch: () => observer.observe(end), stop: () => observer.disconnect() };
}
