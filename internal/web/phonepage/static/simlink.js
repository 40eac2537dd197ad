// The link to the SIM phones, which exist in a sandbox.

import { h } from './dom.js';

let asked;

// simLink is hidden unless the service has such phones.
export function simLink(t) {
  const el = h('p', { class: 'simlink', hidden: true }, h('a', { href: '/phone/sim' }, t('simPhones')));
  asked ??= fetch('/phone/sim/list', { cache: 'no-store' }).then((r) => (r.ok ? r.json() : null)).catch(() => null);
  asked.then((list) => { el.hidden = !list?.handsets.length; });
  return el;
}
