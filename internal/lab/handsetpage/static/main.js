// The page of the handsets with a simulated SIM: a list, or one handset.

import { badge, h, show } from '/phone/dom.js';
import { service } from '/phone/service.js';
import { Handset } from './handset.js';
import { Link, list } from './link.js';
import { t } from './words.js';

// In a query + means a blank, but people often write it instead of %2B.
const msisdn = new URLSearchParams(location.search).get('msisdn')?.replace(/^ /, '+');

const away = (href, text) => h('p', { class: 'away' }, h('a', { href }, text));

const entry = (s) => h('li', null, h('a', { class: 'card phone', href: '/phone/sim?msisdn=' + encodeURIComponent(s.msisdn) },
  badge('phone', 'calm'), h('span', null, h('b', null, s.name || s.msisdn), s.name && h('span', null, s.msisdn), h('span', { class: 'hint' }, t('card', { iccid: s.iccid })))));

async function listView() {
  const all = await list();
  if (!all) {
    return { el: h('section', { class: 'card', 'data-view': 'offline' }, badge('warn', 'warn'), h('h1', null, t('listTitle')), h('p', null, t('offline')),
      h('button', { type: 'button', class: 'primary wide', onclick: () => location.reload() }, t('retry'))) };
  }
  return { el: h('div', { class: 'stack', 'data-view': 'list' }, h('h1', null, t('listTitle')), h('p', { class: 'quiet' }, t(all.length ? 'listText' : 'listEmpty')),
    all.length > 0 && h('ul', { class: 'plain stack' }, all.map(entry)), away('/phone', t('appPhone'))) };
}

const missingView = () => ({ el: h('section', { class: 'card', 'data-view': 'missing' }, badge('warn', 'warn'), h('h1', null, t('missingTitle')),
  h('p', null, t('missingText')), h('a', { class: 'button', href: '/phone/sim' }, t('all'))) });

function open() {
  const handset = new Handset(msisdn, (byHand) => link.hand(byHand), (...press) => link.press(...press));
  const link = new Link(msisdn, {
    state: (s) => handset.update(s),
    online: (yes) => handset.connected(yes),
    missing: () => {
      handset.close();
      show(missingView());
    },
  });
  show({ el: h('div', { class: 'one', 'data-view': 'handset' }, handset.head, handset.el, handset.hand, away('/phone/sim', t('all'))), focus: handset.head.querySelector('h1') });
}

document.documentElement.lang = t.lang;
document.title = `${msisdn ?? t('listTitle')} – ${service}`;
if (msisdn) open();
else show(await listView());
