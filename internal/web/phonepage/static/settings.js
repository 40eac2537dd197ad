// The settings. Each is saved when it changes.

import { call, Offline, ServiceError } from './api.js';
import { confirm, dialog, field, form, h, say } from './dom.js';
import { countries, position } from './location.js';
import { passcodeField, passcodePair } from './passcode.js';
import { passkeySection } from './passkeys.js';
import { possible, subscribed, turnOff } from './push.js';
import { put } from './store.js';
import { addPasskey, changePasscode, wrongPasscode } from './unlock.js';

// ask opens a dialog with fields. `work` runs on submit; the dialog shows its errors
// and stays open until it succeeds.
async function ask(app, title, text, fields, label, first, work) {
  const { t } = app;
  let ok = false;
  const send = form(async () => {
    first.fail();
    try {
      if (await work() === false) return;
      ok = true;
      d.close();
    } catch (e) {
      first.input.value = '';
      if (e.code === 'passcode' && e.tries_left) first.fail(wrongPasscode(t, e.tries_left));
      else if (['blocked', 'unauthorised', 'upgrade'].includes(e.code)) app.handleError(e);
      else first.fail(e instanceof DOMException ? t('passkeyFailed') : app.explain(e));
    }
  }, fields, h('div', { class: 'buttons' }, h('button', { class: 'primary' }, label),
    h('button', { type: 'button', onclick: () => d.close() }, t('cancel'))));
  const d = dialog(t.lang, h('h2', null, title), text && h('p', { class: 'quiet' }, text), send);
  await d.closed;
  return ok;
}

async function askNewPasscode(app) {
  const { t, device } = app;
  const old = passcodeField(t, t('oldPasscode'), { name: 'passcode', autofocus: true }, null, device.letters ?? true);
  const pair = passcodePair(t, t('newPasscode'), device.msisdn);
  const ok = await ask(app, t('changePasscode'), null, [old.el, pair.els], t('save'), old, async () => {
    const newPasscode = pair.read();
    if (newPasscode === null) return false;
    await changePasscode(device, old.input.value, newPasscode);
  });
  if (ok) app.tell(t('passcodeChanged'));
}

async function askPasskey(app) {
  const { t, device } = app;
  const code = passcodeField(t, t('passcode'), { name: 'passcode', autofocus: true }, null, device.letters ?? true);
  const ok = await ask(app, t('addPasskey'), t('passkeyText'), [code.el], t('next'), code, () => addPasskey(device, code.input.value));
  if (ok) app.tell(t('passkeyAdded'));
  return ok;
}

// toggle is a switch with a description below its label.
function toggle(name, label, text, on, change) {
  const input = h('input', { type: 'checkbox', role: 'switch', id: name, checked: on, 'aria-describedby': name + 'h', onchange: () => change(input) });
  return h('div', { class: 'toggle' }, h('div', null, h('label', { for: name }, label), h('p', { class: 'hint', id: name + 'h' }, text)), input);
}

function notifications(app) {
  const { t, device } = app;
  if (!possible()) return null;
  // set turns notifications on or off. `ended` means that they were on and do not arrive.
  const set = async (on, ended = false) => {
    try {
      const worker = await navigator.serviceWorker.ready;
      if (!on) await turnOff(worker);
      else if (await Notification.requestPermission() !== 'granted') throw new Error('not allowed');
      else await subscribed(worker, ended);
      device.notify = on;
      device.unreachable = null;
      await put('device', device);
      await app.beat();
    } catch {
      app.tell(t('notifyFailed'));
    }
    input.checked = Boolean(device.notify);
    app.onpush();
  };
  const text = h('p');
  const problem = h('div', { class: 'note stack', role: 'alert', hidden: true }, text,
    h('button', { type: 'button', 'data-do': 'notify-again', onclick: () => set(true, true) }, t('notifyAgain')));
  app.onpush = () => {
    problem.hidden = !(device.notify && device.unreachable);
    if (!problem.hidden) text.textContent = t(device.unreachable === 'denied' ? 'notifyDenied' : 'notifyEnded');
  };
  app.onpush();
  const el = toggle('notify', t('notify'), t('notifyText'), device.notify, (box) => set(box.checked));
  const input = el.querySelector('input');
  return [el, problem];
}

function whereabouts(app) {
  const { t, device } = app;
  const names = new Intl.DisplayNames([t.lang], { type: 'region' });
  const sorted = countries.map((c) => [names.of(c), c]).sort((a, b) => a[0].localeCompare(b[0], t.lang));
  const save = (change) => {
    device.location = { ...device.location, ...change };
    return put('device', device);
  };
  const select = h('select', { id: 'country', onchange: () => save({ country: select.value }) },
    h('option', { value: '' }, '–'), sorted.map(([name, c]) => h('option', { value: c, selected: c === device.location.country }, name)));
  const country = h('div', { class: 'field', hidden: !device.location.on }, h('label', { for: 'country' }, t('country')), select);
  const share = toggle('location', t('location'), t('locationText'), device.location.on, async (input) => {
    country.hidden = !input.checked;
    await save({ on: input.checked });
    if (input.checked) position(); // the browser asks for permission now, not during a signature
  });
  return [share, country];
}

function naming(app) {
  const { t, device } = app;
  const name = field(t('phoneName'), { type: 'text', name: 'name', value: device.name, maxlength: 60, autocapitalize: 'words' });
  return form(async () => {
    name.fail();
    try {
      device.name = name.input.value.trim() || device.name;
      await put('device', device);
      await app.beat(true);
      app.tell(t('saved'));
    } catch (e) {
      name.fail(app.explain(e));
    }
  }, name.el, h('button', null, t('save')));
}

async function removePhone(app) {
  const { t } = app;
  if (!await confirm(t('removePhone'), t('removeText'), t('remove'), t('cancel'))) return;
  try {
    await call(app.device, 'DELETE', '/device');
  } catch (e) {
    // A device that the service does not know has been removed.
    if (e instanceof Offline || !(e instanceof ServiceError) || e.code !== 'unauthorised') return app.tell(app.explain(e));
  }
  await app.forget();
}

export function settingsView(app) {
  const { t, device } = app;
  const told = h('p', { class: 'note', hidden: true });
  app.tell = (text) => {
    told.textContent = text;
    told.hidden = false;
    say(text);
  };
  const until = device.expires && new Intl.DateTimeFormat(t.locale, { dateStyle: 'long' }).format(device.expires);
  const el = h('div', { class: 'stack', 'data-view': 'settings' }, h('h1', null, t('settings')), told,
    h('section', { class: 'card' }, h('dl', { class: 'facts' },
      h('div', null, h('dt', null, t('number')), h('dd', null, device.msisdn)),
      h('div', null, h('dt', null, t('account')), h('dd', null, device.serial)),
      until && h('div', null, h('dt', null, t('validUntil')), h('dd', null, until))), naming(app)),
    h('section', { class: 'card' }, h('h2', null, t('unlocking')),
      h('button', { type: 'button', 'data-do': 'change-passcode', onclick: () => askNewPasscode(app) }, t('changePasscode')),
      passkeySection(app, () => askPasskey(app))),
    h('section', { class: 'card' }, notifications(app), whereabouts(app)),
    h('button', { type: 'button', class: 'danger quiet', 'data-do': 'remove', onclick: () => removePhone(app) }, t('removePhone')));
  return { el };
}
