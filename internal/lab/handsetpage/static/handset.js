// One handset: screen, keys and what they do.

import { clock } from '/phone/clock.js';
import { h, say } from '/phone/dom.js';
import { service } from '/phone/service.js';
import { Memory } from './memory.js';
import { screens } from './screens.js';
import { t } from './words.js';

// Keys are disabled for a moment after the screen changes, because a press may have
// been meant for the previous screen. The second press of a double click is ignored.
const SETTLE = 400; // ms
const TOLD = 6000; // ms that an error stays

const asking = ['who', 'text', 'input']; // the views of dialogues
const letters = ['+', '.,-', 'abc', 'def', 'ghi', 'jkl', 'mno', 'pqrs', 'tuv', 'wxyz'];

export class Handset {
  #state; #online = false; #memory; #press; #hand;
  #at = 'idle'; // the screen behind dialogues: idle or messages
  #stamp; #screen; // what is shown
  #input = ''; // digits exist only here and only during the dialogue
  #sent; // id of the dialogue that was answered
  #settled = true; #settling; #telling; #lost;
  #shown = h('div', { class: 'shown' });
  #problem = h('p', { class: 'problem', role: 'alert' });
  #time = h('time');
  #glass = h('section', { class: 'screen', role: 'region', 'aria-label': t('screen') },
    h('div', { class: 'bar' }, h('span', { class: 'bars', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'), h('i')), h('span', null, `${service} Test`), this.#time),
    this.#shown, this.#problem);
  #left = key('left', '', (e) => e.detail > 1 || this.#soft('left'));
  #right = key('right', '', (e) => e.detail > 1 || this.#soft('right'));
  #clear = key('clear', 'C', (e) => this.#clearOrBack(e.detail > 1), t('clear'));
  #digits = letters.map((abc, n) => key(String(n), [h('span', null, n), h('small', { 'aria-hidden': 'true' }, abc)], () => this.#type(String(n)), `${n} ${abc}`));
  #switch = h('input', { type: 'checkbox', role: 'switch', id: 'by-hand', 'aria-describedby': 'by-hand-text', onchange: () => this.#hand(this.#switch.checked) });
  #who = h('p', { class: 'hint', id: 'by-hand-text' });
  #name = h('h1');
  #number = h('span');
  #card = h('span');

  // el, head and hand are parts of the page. `hand` and `press` call the service.
  constructor(msisdn, hand, press) {
    this.#memory = new Memory(msisdn, () => this.#render());
    this.#hand = hand;
    this.#press = press;
    this.#name.textContent = msisdn;
    const [zero, ...others] = this.#digits;
    this.head = h('header', { class: 'whose' }, this.#name, h('p', { class: 'quiet' }, this.#number, ' ', this.#card));
    this.el = h('div', { class: 'handset' }, h('div', { class: 'ear', 'aria-hidden': 'true' }), this.#glass,
      h('div', { class: 'soft', role: 'group', 'aria-label': t('keys') }, this.#left, this.#clear, this.#right),
      h('div', { class: 'pad', role: 'group', 'aria-label': t('keys') }, others, h('span', { class: 'dead', 'aria-hidden': 'true' }, '*'), zero, h('span', { class: 'dead', 'aria-hidden': 'true' }, '#')));
    this.hand = h('div', { class: 'by-hand' }, h('div', { class: 'toggle' }, h('label', { for: 'by-hand' }, t('byHand')), this.#switch), this.#who,
      h('p', { class: 'hint desk' }, t('keyboard')));
    this.onkey = (e) => this.#keydown(e);
    document.addEventListener('keydown', this.onkey);
    this.#tick();
    this.#render();
  }

  close() {
    document.removeEventListener('keydown', this.onkey);
    this.#screen?.close?.();
  }

  connected(yes) {
    if (yes === this.#online) return;
    this.#online = yes;
    this.#sent = undefined; // a restarted service numbers its dialogues from the beginning
    this.#input = '';
    this.#render();
  }

  update(state) {
    clock.set(state.now);
    if (state.dialogue.id !== this.#state?.dialogue.id) this.#input = '';
    this.#state = state;
    this.#memory.since(state.now);
    this.#name.textContent = state.name || state.msisdn;
    this.#number.textContent = state.name ? state.msisdn : '';
    this.#card.textContent = t('card', { iccid: state.iccid });
    this.#render();
  }

  // what returns a view and its content. A flash message covers everything else.
  #what() {
    if (!this.#online || !this.#state) return ['connecting'];
    const { dialogue, messages } = this.#state;
    const flash = messages.find((m) => m.flash && this.#memory.isNew(m));
    if (flash) return ['flash', flash];
    if (dialogue.kind !== 'idle') return [dialogue.who ? 'who' : dialogue.kind, dialogue];
    return [this.#at, { number: this.#state.msisdn, messages, unread: messages.filter((m) => this.#memory.isUnread(m)).length }];
  }

  #render() {
    const [view, what] = this.#what();
    const stamp = JSON.stringify([view, what?.id ?? what]);
    if (stamp !== this.#stamp) {
      this.#stamp = stamp;
      this.#screen?.close?.();
      this.#screen = screens[view](what, (text) => { this.#input = text; this.#render(); });
      this.#glass.dataset.view = view;
      this.#shown.replaceChildren(...this.#screen.parts);
      this.#screen.open?.();
      if (['flash', ...asking].includes(view)) this.#settle();
      if (this.#screen.say) say(this.#screen.say);
      if (view === 'messages') this.#memory.read(what.messages);
    }
    const name = this.#state?.name || this.#name.textContent;
    document.title = `${['flash', ...asking].includes(view) ? '● ' : ''}${name} – ${service}`;
    this.#refresh(view, what);
  }

  #settle() {
    this.#settled = false;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#settled = true;
      this.#render();
    }, SETTLE);
  }

  // refresh sets the labels of the keys and whether they are enabled.
  #refresh(view, what) {
    const { left, right } = this.#screen;
    const asked = asking.includes(view);
    const sending = asked && this.#sent === what.id;
    const can = !asked || this.#state.byHand && !sending;
    const n = [...this.#input].length;
    this.#label(this.#left, left);
    this.#label(this.#right, right);
    this.#able(this.#left, left && can && this.#settled && (view !== 'input' || n >= what.min && n <= what.max));
    this.#able(this.#right, right && can && this.#settled);
    // Without input this key goes back one step.
    const back = view === 'input' && n === 0;
    this.#clear.textContent = back ? '‹' : 'C';
    this.#clear.setAttribute('aria-label', t(back ? 'goBack' : 'clear'));
    this.#able(this.#clear, view === 'input' && can && (!back || this.#settled));
    for (const d of this.#digits) this.#able(d, view === 'input' && can && n < what.max);
    if (this.#screen.entered) this.#screen.entered(this.#input);
    if (sending) this.#glass.setAttribute('aria-busy', 'true');
    else this.#glass.removeAttribute('aria-busy');
    this.#switch.disabled = !this.#online;
    this.#switch.checked = Boolean(this.#state?.byHand);
    this.#who.textContent = !this.#state || this.#state.byHand ? `${t('byHandText')} ${t('pinText')}` : t('autoText');
  }

  #label(el, text) {
    el.textContent = text ?? '';
    el.hidden = !text;
  }

  // able enables or disables a key. A key that lost the focus thereby gets it back.
  #able(el, on) {
    if (el.disabled === !on) return;
    if (!on && document.activeElement === el) this.#lost = el;
    el.disabled = !on;
    if (!on || this.#lost !== el) return;
    if ([document.body, null].includes(document.activeElement)) el.focus();
    this.#lost = undefined;
  }

  #type(c) {
    const [view, what] = this.#what();
    if (view !== 'input' || !this.#state.byHand || this.#sent === what.id || [...this.#input].length >= what.max) return;
    this.#input += c;
    this.#typed(what);
  }

  #delete() {
    const [view, what] = this.#what();
    if (view !== 'input' || !this.#input) return;
    this.#input = [...this.#input].slice(0, -1).join('');
    this.#typed(what);
  }

  // A fast series of presses deletes but does not leave the dialogue.
  #clearOrBack(hasty) {
    const [view, what] = this.#what();
    if (this.#input) this.#delete();
    else if (view === 'input' && !hasty) this.#answer(what, 'back');
  }

  #typed(what) {
    this.#tell('');
    this.#render();
    say(t('entered', { n: what.hidden ? [...this.#input].length : this.#input }));
  }

  #soft(side) {
    const [view, what] = this.#what();
    switch (view) {
      case 'idle': this.#go('messages'); break;
      case 'messages': this.#go('idle'); break;
      case 'flash':
        this.#memory.dismiss(what);
        this.#render();
        break;
      default: this.#answer(what, side === 'left' ? 'ok' : 'cancel');
    }
  }

  #go(at) {
    this.#at = at;
    this.#render();
  }

  async #answer(dialogue, key) {
    const input = key === 'ok' ? this.#input : '';
    this.#sent = dialogue.id;
    this.#input = '';
    this.#at = 'idle';
    this.#tell('');
    this.#render();
    const outcome = await this.#press(dialogue.id, key, input);
    if (outcome === 'ok') return; // the next state removes the dialogue
    if (this.#sent === dialogue.id) this.#sent = undefined;
    this.#tell(t(outcome));
    this.#render();
  }

  #tell(text) {
    clearTimeout(this.#telling);
    this.#problem.textContent = text;
    if (text) this.#telling = setTimeout(() => this.#tell(''), TOLD);
  }

  #keydown(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const [view] = this.#what();
    const at = (sel) => e.target.closest?.(sel);
    if (e.repeat && ['Enter', ' ', 'Escape'].includes(e.key)) e.preventDefault(); // a held key counts once
    else if (e.key === 'Escape') this.#down(this.#right);
    else if (e.key === 'Enter') {
      if (!at('button, a')) this.#down(this.#left); // these handle Enter themselves
    } else if (view !== 'input' || at('.entry')) return;
    else if (e.key === 'Backspace') this.#down(this.#clear, () => this.#delete()); // but does not go back
    else if (/^[0-9]$/.test(e.key) && !e.repeat) this.#down(this.#digits[e.key], () => this.#type(e.key));
  }

  // down presses a key visibly.
  #down(el, act = () => el.click()) {
    el?.classList.add('down');
    setTimeout(() => el?.classList.remove('down'), 150);
    act();
  }

  #tick() {
    const now = clock.now();
    const hours = new Intl.DateTimeFormat(t.locale, { timeStyle: 'short' }).format(now);
    for (const el of [this.#time, ...this.#shown.querySelectorAll('.clock')]) el.textContent = hours;
    setTimeout(() => this.#tick(), 60_000 - now % 60_000 + 20);
  }
}

// key is a button that does not take the focus when a pointer presses it, so that
// Enter still acts on the screen instead of the key.
function key(name, content, press, label) {
  return h('button', { type: 'button', class: 'key', 'data-key': name, 'aria-label': label, onclick: press, onmousedown: (e) => e.preventDefault() }, content);
}
