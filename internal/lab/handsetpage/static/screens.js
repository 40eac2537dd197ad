// The screens of a handset. A screen has parts, labels of the left and the right key,
// and a text for screen readers.

import { clock, countdown } from '/phone/clock.js';
import { h } from '/phone/dom.js';
import { laidOut, refusal } from '/phone/visible.js';
import { t } from './words.js';

const format = (time, how) => new Intl.DateTimeFormat(t.locale, how).format(time);

// Texts that are longer than the screen scroll, with the keyboard too.
const scroller = (label, ...children) => h('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': label }, children);

// A text that hides something is not shown. The card refuses such texts, but short
// messages come from anywhere.
const shown = (text) => (refusal(text) ? h('em', null, t('forgedMessage')) : laidOut(text));

// spoken is the same for screen readers.
const spoken = (text) => (refusal(text) ? t('forgedMessage') : text);

// The longest text of a card just fits without scrolling.
const said = (text) => h('p', { class: [...text].length > 160 ? 'said much' : 'said' }, shown(text));

// name frames a text that says who asks: the card's own words on the first line, then a
// name. A real phone shows it like any other text.
function name(text) {
  const [words, ...rest] = text.split('\n');
  return h('div', { class: 'who' }, h('p', null, words), h('p', { class: 'said' }, shown(rest.join('\n'))));
}

// dialogue is a text with the time that is left.
function dialogue(d) {
  const time = d.until ? countdown(t, d.since, d.until, () => {}) : null; // the service removes it
  return { parts: [scroller(t('sim'), d.who ? name(d.text) : said(d.text)), time?.el].filter(Boolean), open: time?.start, close: time?.stop, right: t('cancel') };
}

// input shows only dots if the input is hidden.
function input(d, typed) {
  const need = d.digits ? d.min === d.max ? 'lengthOf' : 'length' : 'lengthText';
  const hint = t(need, d);
  const screen = { ...dialogue(d), left: t('ok'), say: `${t('sim')}: ${spoken(d.text)} ${hint}` };
  const more = (entry) => { screen.parts.splice(1, 0, entry, h('p', { class: 'need' }, hint)); };
  if (!d.digits) {
    // Letters come from the keyboard of the device.
    const field = h('input', { class: 'entry text', type: d.hidden ? 'password' : 'text', 'aria-label': spoken(d.text), maxlength: d.max, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', oninput: () => typed(field.value) });
    more(field);
    const { open } = screen;
    return { ...screen, entered: (value) => { if (field.value !== value) field.value = value; }, open: () => { open?.(); field.focus(); } };
  }
  const entry = h('p', { class: 'entry', 'aria-hidden': 'true' });
  more(entry);
  const entered = (value) => {
    const n = [...value].length;
    const text = d.hidden ? '•'.repeat(n) : value;
    if (entry.textContent !== text) entry.textContent = text;
    entry.classList.toggle('long', n > 10);
  };
  return { ...screen, entered };
}

function idle({ number, messages, unread }) {
  const now = clock.now();
  const news = unread === 1 ? t('newMessage') : t('newMessages', { n: unread });
  const last = unread > 0 && messages.findLast((m) => !m.flash).text;
  return {
    parts: [h('p', { class: 'clock' }, format(now, { timeStyle: 'short' })), h('p', { class: 'date' }, format(now, { weekday: 'long', day: 'numeric', month: 'long' })),
      h('p', { class: 'number' }, number), last !== false && h('p', { class: 'news' }, h('b', null, news), h('span', { class: 'clip' }, shown(last)))].filter(Boolean),
    left: t('messages'), say: last !== false && `${news}: ${spoken(last)}`,
  };
}

function message(m) {
  const time = m.time / 1000;
  return h('li', null, h('p', { class: 'when' }, format(time, { dateStyle: 'short', timeStyle: 'short' }), m.flash && ' · Flash'), said(m.text));
}

function list({ messages }) {
  const all = messages.length ? h('ol', { class: 'plain' }, messages.toReversed().map(message)) : h('p', null, t('noMessages'));
  const scroll = scroller(t('messages'), all);
  return { parts: [h('h2', null, t('messages')), scroll], right: t('goBack'), open: () => scroll.focus({ preventScroll: true }) };
}

export const screens = {
  connecting: () => ({ parts: [h('div', { class: 'middle' }, h('p', null, t('connecting')), h('p', { class: 'need' }, t('connectingPhone')))], say: t('connecting') }),
  idle,
  messages: list,
  flash: (m) => ({ parts: [h('h2', null, t('flash')), scroller(t('flash'), said(m.text))], left: t('ok'), say: `${t('flash')}: ${spoken(m.text)}` }),
  who: (d) => ({ ...dialogue(d), left: t('ok'), say: `${t('sim')}: ${spoken(d.text)}` }),
  text: (d) => ({ ...dialogue(d), left: t('accept'), say: `${t('sim')}: ${spoken(d.text)}` }),
  input,
};
