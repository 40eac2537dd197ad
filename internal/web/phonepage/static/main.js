// The App: the state of this phone, what it shows, and when that changes.

import { Offline, post, ServiceError } from './api.js';
import { clock } from './clock.js';
import { content, genuine } from './content.js';
import { say, show } from './dom.js';
import { codeView, resume, VERSION } from './enrol.js';
import { blockedView, elsewhereView, fetchSignature, historyView, homeView, navigation, outdatedView, strangerView } from './home.js';
import { noticeView } from './notice.js';
import { Inbox, nameOf, Pending } from './inbox.js';
import { locate } from './location.js';
import { forgedView, receiptView, requestView, resultView } from './request.js';
import { report } from './push.js';
import { settingsView } from './settings.js';
import * as store from './store.js';
import { ours, words } from './words.js';

const LOCK = 'signum-phone';
const BEAT = 6 * 3600_000; // ms between heartbeats
const query = new URLSearchParams(location.search);

let pending, inbox, current; // current: {req, view, sending}
let notices = []; // changes of the account that the user has not read yet, oldest first
let replaced = 0; // when a newer request took the place of the one on the screen
const REPLACED = 10_000; // ms for which the next request says so

const app = {
  t: words(ours()), device: null, online: false, notice: null, onstate: null, onpush: null, tell: () => {},

  // explain describes an error to people.
  explain(e, t = app.t) {
    if (e instanceof Offline) return t('offline');
    if (e.code === 'slow') return t('slow');
    if (e.code === 'apps') return t('tooMany');
    if (e.code === 'inactive') return t('inactive');
    if (e.code === 'upgrade') return t('outdatedTitle');
    return t('failed', { detail: e instanceof ServiceError ? e.message : String(e.message ?? e) });
  },

  // handleError handles errors that end a request or the use of this phone.
  async handleError(e, req) {
    if (e.code === 'blocked') {
      app.device.blocked = true;
      await store.put('device', app.device);
      route();
    } else if (e.code === 'unauthorised') {
      stop();
      show(strangerView(app));
    } else if (e.code === 'upgrade') {
      stop();
      show(outdatedView(app));
    } else if (req && (e.code === 'late' || e.code === 'unknown')) {
      app.dismiss(req, 'ended');
    } else {
      console.warn(e);
      if (current && current.req === req) return current.view.problem(app.explain(e, words(req.lang)));
      app.notice = app.explain(e);
      route();
    }
  },

  locate: () => locate(app.device.location),

  // answer repeats an answer until it arrives or the request expires.
  async answer(req, value, outcome) {
    if (current?.req !== req || current.sending) return;
    const { device } = app;
    current.sending = true;
    current.view.sending();
    const body = { id: req.id, op: req.op, ...value };
    let repeated = false, pause = 500;
    for (;;) {
      try {
        await post(device, '/answer', body);
        break;
      } catch (e) {
        if (e.code === 'late' || e.code === 'unknown') {
          // Perhaps this very answer ended it: it arrived, and the reply was lost.
          if (!repeated) outcome = 'ended';
          break;
        }
        if (!(e instanceof Offline || e.code === 'slow' || e.code === 'internal')) {
          current = null;
          pending.drop(req);
          update(req, 'ended');
          return app.handleError(e);
        }
        if (clock.now() + pause > req.expires) {
          outcome = 'expired';
          break;
        }
        repeated = true;
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, 8000);
      }
    }
    await store.addAnswered(nameOf(req));
    pending.answer(req);
    if (outcome === 'signed') outcome = await record(device, req, repeated, value.choice !== undefined);
    if (current?.req !== req) return; // another tab has taken over
    current = null;
    settle(req, outcome);
  },

  // dismiss removes a request that ended without an answer.
  dismiss(req, reason) {
    if (current?.sending && current.req === req) return;
    pending.drop(req);
    if (current?.req !== req) return;
    current = null;
    update(req, reason);
  },

  home() {
    if (location.hash && location.hash !== '#home') location.hash = '#home';
    else route();
  },

  async enrolled(device) {
    app.device = device;
    query.delete('code'); // it is used up
    await start();
  },

  async forget() {
    stop();
    await store.wipe();
    app.device = null;
    location.hash = '';
    show(codeView(app, query.get('code') ?? ''));
  },

  // beat reports the state of this phone to the service.
  async beat(loud = false, ended = false) {
    const { device } = app;
    if (!device || device.blocked && !loud) return;
    try {
      const push = await report(device, ended).catch(() => undefined);
      const answer = await post(device, '/heartbeat', { version: VERSION, platform: 'web', name: device.name, push });
      clock.set(answer.now);
      device.expires = answer.certificate_expires;
      device.blocked ||= answer.blocked;
      if (app.device !== device) return; // removed meanwhile
      if (device.notify && push === null) device.unreachable = ended || Notification.permission === 'granted' ? 'ended' : 'denied';
      else if (push !== undefined) device.unreachable = answer.push_ended ? 'ended' : null;
      await store.put('device', device);
      app.onpush?.();
      // The subscription that has ended is still there; a new one is made once.
      if (answer.push_ended && device.notify && push && !ended) return app.beat(loud, true);
      if (device.blocked) route();
    } catch (e) {
      if (loud) throw e;
      if (['unauthorised', 'blocked', 'upgrade'].includes(e.code)) app.handleError(e);
    }
  },
};

// record adds a signature to the history. If it is not certain that the service
// accepted it, because the code may have been wrong or the reply was lost, it asks
// the service.
async function record(device, req, uncertain, choice) {
  const cms = await fetchSignature(device, req.id).catch(() => undefined);
  if (cms === null && choice) return 'choice';
  if (cms === null && uncertain) return 'ended';
  const { text, title, rows } = content(req);
  await store.remember({ id: req.id, time: clock.now(), party: req.party, text, title, rows, cms: cms ?? undefined });
  return 'signed';
}

// For app2app: the address that the service named, unless it would run in this page.
function redirectOf(req) {
  try {
    const url = new URL(req.redirect_uri);
    const runs = ['javascript:', 'data:', 'blob:', 'vbscript:', 'file:', 'filesystem:', 'about:'];
    return runs.includes(url.protocol) ? null : req.redirect_uri;
  } catch {
    return null;
  }
}

// settle shows how a request ended, unless the next one is waiting.
function settle(req, outcome) {
  const redirect = redirectOf(req);
  if (['timeout', 'closed'].includes(outcome) && !redirect) return update();
  if (!pending.next() || redirect) {
    inbox.shown(null);
    show(resultView(app, req, outcome === 'closed' ? 'declined' : outcome, redirect));
  } else update();
  if (redirect) location.href = redirect;
}

// update shows the next request; without one, how the last one ended or the page.
function update(ended, reason) {
  if (current || app.device.blocked) return;
  const req = pending.next();
  if (reason === 'replaced') replaced = performance.now();
  if (!req) {
    inbox.shown(null);
    if (ended) show(resultView(app, ended, reason));
    else route();
    return;
  }
  const t = words(req.lang);
  const note = replaced && performance.now() - replaced < REPLACED ? t('newer') : null;
  replaced = 0;
  const view = !req.genuine ? forgedView(app, req) : req.op === 'display' ? receiptView(app, req) : requestView(app, req, note);
  current = { req, view, sending: false };
  document.getElementById('nav').hidden = true;
  document.body.classList.add('busy');
  show(view);
  view.opened();
  say(t('arrived', { party: req.party?.name }), t.lang);
  inbox.shown(req);
}

// Frames are handled one at a time. Checking a digest is asynchronous, and a later
// frame must not overtake it.
let turn = Promise.resolve();
const inTurn = (work) => { turn = turn.then(work).catch((e) => console.error(e)); };

async function receive(req) {
  if (!req?.id) return;
  req.genuine = await genuine(req);
  const older = pending.add(req);
  if (!older) return;
  if (current && !current.sending && older.includes(current.req)) {
    const before = current.req;
    current = null;
    update(before, 'replaced');
  } else update();
}

async function sync(list) {
  // New requests come first: one may replace a request that is gone.
  for (const req of list) await receive(req);
  for (const req of pending.missing(list)) app.dismiss(req, 'ended');
}

function gone({ id, op, reason }) {
  const req = { id, op };
  if (current && nameOf(current.req) === nameOf(req)) app.dismiss(current.req, reason);
  else pending.drop(req);
}

// announce tells the user once that the account has changed.
async function announce(n) {
  if (!n?.id || n.expires <= clock.now() || notices.some((o) => o.id === n.id)) return;
  if ((await store.answered()).has(nameOf({ id: n.id, op: 'notice' }))) return;
  notices.push(n);
  if (!current) await route();
}

async function readNotice(n) {
  notices = notices.filter((o) => o !== n);
  await store.addAnswered(nameOf({ id: n.id, op: 'notice' }));
}

// route shows the page that the address names, unless a request is on the screen.
async function route() {
  if (!app.device || current && !app.device.blocked) return;
  const at = location.hash.slice(1);
  const page = ['history', 'settings'].includes(at) ? at : 'home';
  const nav = document.getElementById('nav');
  nav.hidden = Boolean(app.device.blocked);
  document.body.classList.remove('busy');
  if (app.device.blocked) {
    stop();
    return show(blockedView(app, query.has('code')));
  }
  const notice = notices.find((n) => n.expires > clock.now());
  if (notice) {
    nav.hidden = true;
    return show(noticeView(app, notice, () => readNotice(notice)));
  }
  navigation(app, page);
  const view = page === 'home' ? homeView(app) : page === 'settings' ? settingsView(app) : await historyView(app);
  if (!current) show(view);
}

function stop() {
  inbox?.stop();
  document.getElementById('offline').hidden = true;
  current = null;
  document.getElementById('nav').hidden = true;
  document.body.classList.remove('busy');
}

// connection follows the state of the inbox. What the person sees tells since when
// there is no connection, on every page.
function connection(state) {
  const banner = document.getElementById('offline');
  app.state = state;
  app.online = state === 'online';
  if (app.online) app.seen = clock.now();
  banner.hidden = state !== 'offline';
  const time = new Intl.DateTimeFormat(app.t.locale, { timeStyle: 'short' });
  const text = app.seen ? app.t('offlineSince', { time: time.format(app.seen) }) : app.t('offlineNow');
  if (!banner.hidden && banner.textContent !== text) banner.textContent = text;
  app.onstate?.();
}

async function start() {
  pending = new Pending(await store.answered());
  inbox?.stop();
  inbox = new Inbox(app.device, {
    sync: (list) => inTurn(() => sync(list)),
    request: (req) => inTurn(() => receive(req)),
    gone: (frame) => inTurn(() => gone(frame)),
    notice: (n) => inTurn(() => announce(n)),
    state: connection,
    unclear: () => app.beat(),
    refused: () => { stop(); show(strangerView(app)); },
    elsewhere: () => { stop(); show(elsewhereView(app, () => location.reload())); },
  });
  await route();
  if (app.device.blocked) return;
  inbox.start();
  app.beat();
  if (query.get('session_token')) await open(query.get('session_token'));
}

// open fetches the request that another app on this phone has started.
async function open(token) {
  query.delete('session_token');
  try {
    const { request } = await post(app.device, '/open', { session_token: token });
    inTurn(() => receive(request));
  } catch (e) {
    if (['unauthorised', 'blocked', 'upgrade'].includes(e.code)) return app.handleError(e);
    app.notice = e.code === 'unknown' ? app.t('noOpen') : app.explain(e);
    route();
  }
}

// hold makes this the active tab until it is closed or another tab takes over. It
// resolves with false if another tab is active.
function hold(options) {
  return new Promise((resolve) => {
    navigator.locks.request(LOCK, options, (lock) => {
      resolve(Boolean(lock));
      return lock && new Promise(() => {});
    }).catch(() => {
      if (options.signal?.aborted) return;
      stop();
      app.device = null;
      wait(() => location.reload());
    });
  });
}

// wait shows that another tab is active, and continues when that one is closed or the
// person chooses this one.
async function wait(then) {
  const queued = new AbortController();
  show(elsewhereView(app, async () => {
    queued.abort();
    await hold({ steal: true });
    then();
  }));
  await hold({ signal: queued.signal });
  then();
}

async function boot() {
  document.documentElement.lang = app.t.lang;
  if (!navigator.locks || !window.indexedDB || !crypto.subtle || !String.prototype.toWellFormed) {
    document.getElementById('main').textContent = app.t('noBrowser');
    return;
  }
  // Codes and tokens must not stay in the address.
  if (location.search) history.replaceState(null, '', location.pathname + location.hash);
  navigator.serviceWorker?.register('/phone/sw.js', { scope: '/phone', type: 'module' }).catch((e) => console.warn(e));
  addEventListener('hashchange', route);
  setInterval(() => app.beat(), BEAT);
  if (query.get('session_token')) await hold({ steal: true });
  else if (!await hold({ ifAvailable: true })) return wait(run);
  await run();
}

async function run() {
  const [device, made] = [await store.get('device'), await store.get('enrolment')];
  if (made && await resume(app, made)) return;
  if (device) {
    app.device = device;
    if (query.get('code')) app.notice = app.t('already');
    return start();
  }
  show(codeView(app, query.get('code') ?? '', query.get('session_token') && app.t('openedFirst')));
}

await boot();
