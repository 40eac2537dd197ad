// Views of a request, and of how it ended.

import { clock, countdown } from './clock.js';
import { content } from './content.js';
import { badge, confirm, h } from './dom.js';
import { asker, titleBy } from './party.js';
import { body, toTheEnd } from './reading.js';
import { askToSign } from './unlock.js';
import { words } from './words.js';

const RECEIPT = 60_000; // ms that a receipt is shown
// Approve does nothing for this long (ms) after a request came on the screen: a tap
// that was meant for what was there before must not approve it.
const SETTLE = 700;

// summary is what would be signed, in one line.
const summary = (shown) => shown.text ?? shown.rows.map((r) => `${r.key}: ${r.value}`).join(', ');

// choices are the codes, of which the other page shows one.
function choices(t, codes, chosen) {
  const buttons = codes.map((code) => h('button', {
    type: 'button', class: 'choice', 'aria-pressed': 'false', 'data-choice': code, onclick: () => {
      for (const b of buttons) b.setAttribute('aria-pressed', String(b.dataset.choice === code));
      chosen(code);
    },
  }, code));
  return h('div', { class: 'choices', role: 'group', 'aria-labelledby': 'choose' }, h('p', { id: 'choose' }, t('choose')), h('div', null, buttons));
}

// requestView is a request to sign. `note` says that it replaced another one.
export function requestView(app, req, note) {
  const t = words(req.lang);
  const shown = content(req);
  let alive = true, settled = false, choice, read = false;

  const error = h('p', { class: 'error', role: 'alert' });
  const approve = h('button', { type: 'button', class: 'primary', 'data-do': 'approve', 'aria-describedby': 'why', onclick: () => go() }, t('approve'));
  const decline = h('button', { type: 'button', 'data-do': 'cancel', onclick: () => app.answer(req, { cancel: true }, 'declined') }, t('cancel'));
  const report = h('button', { type: 'button', class: 'danger quiet', 'data-do': 'report', onclick: async () => {
    if (await confirm(t('reportTitle'), t('reportText'), t('reportYes'), t('reportNo'), t.lang) && alive) app.answer(req, { cancel: true, report: true }, 'reported');
  } }, t('report'));
  const ready = () => {
    approve.disabled = !settled || !read || Boolean(req.choices?.length && choice === undefined);
  };
  const reading = toTheEnd(t, t('toEnd'), [note && h('p', { class: 'note' }, note),
    shown.rows && titleBy(t, req.party, shown.title), body(shown),
    req.choices?.length ? choices(t, req.choices, (code) => { choice = code; ready(); }) : null],
  () => { read = true; ready(); });

  const go = async () => {
    error.textContent = '';
    try {
      const where = req.locate ? app.locate() : undefined;
      const signature = await askToSign(app, t, req, summary(shown), () => alive && req.expires > clock.now());
      if (!signature || !alive) return;
      const answer = { signature };
      if (choice !== undefined) answer.choice = choice;
      if (where) answer.location = await where;
      await app.answer(req, answer, 'signed');
    } catch (e) {
      app.handleError(e, req);
    }
  };

  const time = countdown(t, req.created, req.expires, () => app.dismiss(req, 'expired'));
  const footer = h('footer', null, reading.down, reading.hint, error, h('div', { class: 'buttons' }, approve, decline), report);
  const el = h('section', { class: 'card request', 'data-view': 'request', 'data-id': req.id },
    asker(req.party, t('askedBy')), h('header', null, h('h1', { id: 'title' }, t(shown.rows ? 'approvalTitle' : 'signTitle')), time.el), reading.scroller, footer);
  ready();
  return {
    el, lang: t.lang,
    opened: () => {
      time.start();
      reading.watch();
      setTimeout(() => { settled = true; ready(); }, SETTLE);
    },
    close: () => { alive = false; time.stop(); reading.stop(); },
    problem: (text) => { error.textContent = text; },
    sending: () => { time.stop(); footer.replaceChildren(h('p', { class: 'sending', role: 'status' }, t('sending'))); },
  };
}

// receiptView is a message with OK and Cancel.
export function receiptView(app, req) {
  const t = words(req.lang);
  const since = clock.now();
  const answer = (receipt, outcome) => app.answer(req, { receipt }, outcome);
  const late = () => (req.expires <= clock.now() ? app.dismiss(req, 'expired') : answer('TIMEOUT', 'timeout'));
  const time = countdown(t, since, Math.min(since + RECEIPT, req.expires), late);
  const ok = h('button', { type: 'button', class: 'primary', 'data-do': 'ok', disabled: true, 'aria-describedby': 'why', onclick: () => answer('OK', 'read') }, t('ok'));
  const reading = toTheEnd(t, t('toEndMessage'), [body({ text: req.text })], () => { ok.disabled = false; });
  const footer = h('footer', null, reading.down, reading.hint, h('div', { class: 'buttons' }, ok,
    h('button', { type: 'button', 'data-do': 'cancel', onclick: () => answer('CANCEL', 'closed') }, t('cancel'))));
  const el = h('section', { class: 'card request', 'data-view': 'receipt', 'data-id': req.id },
    asker(req.party, t('sentBy')), h('header', null, h('h1', { id: 'title' }, t('receiptTitle')), time.el), reading.scroller, footer);
  return {
    el, lang: t.lang, problem: () => {},
    opened: () => { time.start(); reading.watch(); },
    close: () => { time.stop(); reading.stop(); },
    sending: () => { time.stop(); footer.replaceChildren(h('p', { class: 'sending', role: 'status' }, t('sending'))); },
  };
}

// forgedView refuses a request whose text hides something, or is not what would be
// signed. It does not show the text.
export function forgedView(app, req) {
  const t = words(req.lang);
  const answer = req.op === 'display' ? { receipt: 'CANCEL' } : { cancel: true };
  const el = h('section', { class: 'card', 'data-view': 'forged', 'data-id': req.id, role: 'alert' }, badge('warn', 'bad'),
    h('h1', null, t('forgedTitle')), h('p', null, t(req.op === 'display' ? 'forgedMessage' : 'forgedText')),
    h('button', { type: 'button', class: 'primary wide', 'data-do': 'cancel', onclick: () => app.answer(req, answer, 'declined') }, t('decline')));
  let timer;
  return {
    el, lang: t.lang,
    opened: () => { timer = setTimeout(() => app.dismiss(req, 'expired'), Math.max(0, req.expires - clock.now())); },
    close: () => clearTimeout(timer), sending: () => {}, problem: () => {},
  };
}

const outcomes = {
  signed: ['check', 'good', 'signedTitle', 'signedText'],
  declined: ['cross', 'calm', 'declinedTitle', 'declinedText'],
  reported: ['check', 'calm', 'reportedTitle', 'reportedText'],
  choice: ['warn', 'bad', 'choiceTitle', 'choiceText'],
  read: ['check', 'good', 'readTitle', 'readText'],
};

// resultView shows how a request ended: an outcome, or the reason why it is gone.
export function resultView(app, req, outcome, redirect) {
  const t = words(req.lang);
  const gone = req.op === 'display' ? 'messageOver' : ['withdrawn', 'replaced', 'expired', 'answered', 'elsewhere'].includes(outcome) ? outcome : 'ended';
  const [sign, tone, title, text] = outcomes[outcome] ?? ['clock', 'calm', 'goneTitle', gone];
  const el = h('section', { class: 'card result', 'data-view': 'result', 'data-outcome': outcome }, badge(sign, tone), h('h1', null, t(title)),
    h('p', null, t(text)), outcome === 'choice' && h('p', null, t('choiceHow')), redirect && h('a', { class: 'button primary wide', href: redirect }, t('back')),
    h('button', { type: 'button', class: redirect ? 'wide' : 'primary wide', 'data-do': 'done', onclick: () => app.home() }, t('done')));
  return { el, lang: t.lang };
}
