// The passkeys of this phone in the settings.

import { call } from './api.js';
import { confirm, h } from './dom.js';
import { possible } from './passkey.js';
import { put } from './store.js';

// forget removes a passkey here. The key that only passkeys open goes with the last one.
async function forget(device, id) {
  device.passkeys = device.passkeys.filter((p) => p !== id);
  if (!device.passkeys.length) delete device.sealed;
  await put('device', device);
}

async function removePasskey(app, id, label) {
  const { t } = app;
  if (!await confirm(t('removePasskey'), t('removePasskeyText', { label }), t('remove'), t('cancel'))) return false;
  try {
    await call(app.device, 'DELETE', '/passkey?id=' + encodeURIComponent(id));
  } catch (e) {
    if (e.code !== 'unknown') {
      app.tell(app.explain(e));
      return false;
    }
  }
  await forget(app.device, id);
  app.tell(t('passkeyRemoved'));
  return true;
}

// passkeySection lists the passkeys and adds another one. When each was added and used
// is known to the service only, so that this appears a moment later.
export function passkeySection(app, add) {
  const { t } = app;
  const list = h('ul', { class: 'plain passkeys' });
  const day = new Intl.DateTimeFormat(t.locale, { dateStyle: 'medium' });
  let known = [];
  const item = (id, n) => {
    const label = t('passkeyName', { n: n + 1 });
    const of = known.find((k) => k.id === id);
    const facts = [of?.added && t('added', { day: day.format(of.added) }), of?.used && t('used', { day: day.format(of.used) })].filter(Boolean);
    return h('li', null, h('div', null, label, h('p', { class: 'hint' }, facts.join(' · '))),
      h('button', { type: 'button', class: 'link', 'data-do': 'remove-passkey', 'aria-label': `${t('remove')}: ${label}`,
        onclick: async () => { if (await removePasskey(app, id, label)) draw(); } }, t('remove')));
  };
  const draw = () => {
    list.replaceChildren(...app.device.passkeys.map(item));
    list.hidden = !app.device.passkeys.length;
  };
  const load = async () => {
    try {
      known = (await call(app.device, 'GET', '/passkey')).passkeys;
      draw();
    } catch { /* offline: without dates */ }
  };
  draw();
  if (app.device.passkeys.length) load();
  const more = possible() && h('button', { type: 'button', 'data-do': 'add-passkey', onclick: async () => {
    if (!await add()) return;
    draw();
    load();
  } }, t('addPasskey'));
  return h('div', { class: 'column' }, list, more);
}
