// Fields for passcodes.

import { field, h } from './dom.js';
import { isEasy } from './easy.js';

const MIN_PASSCODE = 6;

// passcodeField is a field with the numeric keypad of the phone. A passcode may have
// letters too, so that a button changes the keyboard, and another one shows what was
// typed. `letters` says that the passcode has some.
export function passcodeField(t, label, attrs, hint, letters = false) {
  const f = field(label, { type: 'password', inputmode: 'numeric', ...attrs }, hint);
  const { input } = f;
  const show = h('button', { type: 'button', class: 'link', 'aria-pressed': 'false', 'data-do': 'show', onclick: () => {
    const shown = input.type === 'password';
    input.type = shown ? 'text' : 'password';
    show.setAttribute('aria-pressed', String(shown));
    input.focus();
  } }, t('show'));
  const keys = h('button', { type: 'button', class: 'link', 'data-do': 'keyboard', onclick: () => {
    keyboard(input.inputMode === 'numeric');
    input.blur(); // a phone changes its keyboard with the focus only
    input.focus();
  } });
  const keyboard = (text) => {
    input.inputMode = text ? 'text' : 'numeric';
    keys.textContent = t(text ? 'digits' : 'letters');
  };
  keyboard(letters);
  input.after(h('div', { class: 'aids' }, show, keys));
  return f;
}

export const hasLetters = (passcode) => !/^\d*$/.test(passcode);

// passcodePair is two fields for a new passcode. `read` returns it, or shows what is
// wrong and returns null.
export function passcodePair(t, label, number) {
  const first = passcodeField(t, label, { name: 'new-passcode' }, t('passcodeHint'));
  const again = passcodeField(t, t('passcodeAgain'), { name: 'passcode-again' });
  const read = () => {
    first.fail();
    again.fail();
    const passcode = first.input.value;
    if ([...passcode].length < MIN_PASSCODE) first.fail(t('passcodeShort'));
    else if (isEasy(passcode, number)) first.fail(t('passcodeEasy'));
    else if (passcode !== again.input.value) again.fail(t('passcodeDiffers'));
    else return passcode;
    return null;
  };
  return { els: [first.el, again.el], read };
}
