// Screens without a request: home, history, and those on which nothing can be signed.

import { call, ServiceError } from './api.js';
import { badge, confirm, h, icon } from './dom.js';
import { asker, titleBy } from './party.js';
import { body } from './reading.js';
import { service } from './service.js';
import { simLink } from './simlink.js';
import { history, remember } from './store.js';

const DISMISSED = 'install-dismissed';
let installPrompt;

// The browser offers to install the App; the offer is kept for the button.
addEventListener('beforeinstallprompt', (e) => {
  e.preventDefault();
  installPrompt = e;
});

function installHint(t) {
  if (matchMedia('(display-mode: standalone)').matches || navigator.standalone || localStorage.getItem(DISMISSED)) return null;
  const touch = matchMedia('(pointer: coarse)').matches;
  if (!installPrompt && !touch) return null;
  const el = h('aside', { class: 'card hintcard', 'aria-label': t('install') }, h('h2', null, t('install')), h('p', null, t('installText')),
    !installPrompt && h('p', null, t('installHow')), h('div', { class: 'buttons' },
      installPrompt && h('button', { type: 'button', class: 'primary', onclick: () => { installPrompt.prompt(); installPrompt = null; el.remove(); } }, t('installNow')),
      h('button', { type: 'button', onclick: () => { localStorage.setItem(DISMISSED, '1'); el.remove(); } }, t('notNow'))));
  return el;
}

// homeView is shown while the phone waits. It follows the state of the connection.
export function homeView(app) {
  const { t } = app;
  const heading = h('h1'), text = h('p', { class: 'quiet' });
  const pulse = h('div', { class: 'pulse' }, icon('check'));
  const note = app.notice && h('p', { class: 'note', role: 'status' }, app.notice);
  app.notice = null;
  const state = () => {
    heading.textContent = t({ online: 'ready', offline: 'offlineTitle' }[app.state] ?? 'connecting');
    text.textContent = app.online ? t('readyText', { number: app.device.msisdn }) : t('connectingText');
    pulse.classList.toggle('on', app.online);
  };
  app.onstate = state;
  state();
  const el = h('div', { class: 'stack', 'data-view': 'home' }, note,
    h('section', { class: 'card waiting' }, pulse, h('div', { role: 'status' }, heading, text)), installHint(t), simLink(t));
  return { el, focus: heading, close: () => { app.onstate = null; } };
}

// save downloads a file.
function save(name, type, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// fetchSignature fetches the CMS of a signature; null if the service does not have it.
export async function fetchSignature(device, id) {
  try {
    return await call(device, 'GET', '/signature?id=' + encodeURIComponent(id));
  } catch (e) {
    if (e instanceof ServiceError && e.status === 404) return null;
    throw e;
  }
}

// historyView lists the signatures.
export async function historyView(app) {
  const { t } = app;
  const time = new Intl.DateTimeFormat(t.locale, { dateStyle: 'medium', timeStyle: 'short' });
  const item = (e) => {
    const problem = h('p', { class: 'error', role: 'alert' });
    const download = async () => {
      problem.textContent = '';
      try {
        e.cms ??= await fetchSignature(app.device, e.id);
        if (!e.cms) return (problem.textContent = t('noCMS'));
        await remember(e);
        save(`signature-${new Date(e.time).toISOString().slice(0, 10)}-${e.id}.p7s`, 'application/pkcs7-signature', e.cms);
      } catch (err) {
        problem.textContent = app.explain(err);
      }
    };
    return h('li', { class: 'card' }, h('time', { datetime: new Date(e.time).toISOString() }, time.format(e.time)),
      asker(e.party), e.rows && titleBy(t, e.party, e.title), body(e, true),
      h('button', { type: 'button', class: 'link', onclick: download }, t('download')), problem);
  };
  const all = await history();
  return { el: h('section', { class: 'stack', 'data-view': 'history' }, h('h1', null, t('history')),
    h('p', { class: 'quiet' }, t(all.length ? 'historyText' : 'historyEmpty')), h('ol', { class: 'plain stack' }, all.map(item))) };
}

// elsewhereView is shown in tabs that are not active.
export function elsewhereView(app, takeOver) {
  const { t } = app;
  return { el: h('section', { class: 'card', 'data-view': 'elsewhere' }, badge('phone', 'calm'), h('h1', null, t('elsewhereTitle')),
    h('p', null, t('elsewhereText')), h('button', { type: 'button', class: 'primary wide', onclick: takeOver }, t('here'))) };
}

// setUpAgain deletes the data of this phone after a confirmation.
const setUpAgain = (app) => h('button', { type: 'button', class: 'primary wide', 'data-do': 'set-up-again', onclick: async () => {
  const { t } = app;
  if (await confirm(t('setUpAgain'), t('setUpAgainText'), t('setUpAgain'), t('cancel'))) await app.forget();
} }, app.t('setUpAgain'));

// blockedView: only a new enrolment helps. `code` says that the person has an activation
// code already.
export function blockedView(app, code) {
  const { t } = app;
  const how = code ? [h('p', { class: 'note', role: 'status' }, t('blockedCode'))]
    : [h('p', null, t('blockedHow')), h('a', { class: 'button primary wide', href: '/me/login/recovery' }, t('accountRecovery'))];
  return { el: h('section', { class: 'card', 'data-view': 'blocked' }, badge('lock', 'bad'), h('h1', null, t('blockedTitle')),
    h('p', null, t('blockedText')), how, setUpAgain(app)) };
}

// strangerView: the service does not know this device.
export function strangerView(app) {
  const { t } = app;
  return { el: h('section', { class: 'card', 'data-view': 'stranger' }, badge('warn', 'bad'), h('h1', null, t('strangerTitle')),
    h('p', null, t('strangerText')), setUpAgain(app),
    h('button', { type: 'button', class: 'wide', onclick: () => location.reload() }, t('retry'))) };
}

// outdatedView: the service no longer speaks to this version of the App. The page
// of the service is always the current one.
export function outdatedView(app) {
  const { t } = app;
  return { el: h('section', { class: 'card', 'data-view': 'outdated' }, badge('warn', 'calm'), h('h1', null, t('outdatedTitle')),
    h('p', null, t('outdatedText')), h('button', { type: 'button', class: 'primary wide', onclick: () => location.reload() }, t('reload'))) };
}

// The navigation bar consists of links, so that the browser's back button works.
export function navigation(app, at) {
  const nav = document.getElementById('nav');
  nav.setAttribute('aria-label', service);
  const link = (name, sign) => h('a', { href: '#' + name, 'aria-current': name === at && 'page' }, icon(sign), h('span', null, app.t(name)));
  nav.replaceChildren(link('home', 'home'), link('history', 'list'), link('settings', 'gear'));
}
