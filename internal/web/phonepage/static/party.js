// Who asks: the party's name and logo. They come from the service. The texts of the party
// stand in another place, which looks different.

import { h } from './dom.js';
import { laidOut } from './visible.js';

// name is isolated: its direction changes nothing around it.
const name = (party) => h('bdi', { class: 'party' }, party.name);

// asker shows who asks; null if the service does not say so. A logo that cannot be
// loaded is left out.
export function asker(party, label) {
  if (!party?.name) return null;
  const logo = /^[0-9a-f]{64}$/.test(party.logo) && h('img', {
    src: `/app/v2/logos/${party.logo}.png`, alt: '', width: 40, height: 40, onerror: (e) => e.target.remove(),
  });
  return h('div', { class: 'asker' }, logo, h('p', null, label && h('span', { class: 'quiet' }, label), name(party)));
}

// titleBy is the title that the party gives a transaction. It is not signed, so the page
// says whose words it is.
export const titleBy = (t, party, title) => h('div', { class: 'title' },
  h('p', { class: 'quiet' }, party?.name ? t.parts('titleBy', { party: name(party) }) : t('title')), h('p', null, laidOut(title)));
