// Enrolment: code, passcode, recovery code.

import { ServiceError, post } from './api.js';
import { b64u, concat, random, unb64u, utf8 } from './bytes.js';
import { badge, field, form, h, show } from './dom.js';
import { newAuthKey, newSealKey, newSecret, newSigningKey, sign, spki, stretch, verifier, wrap } from './keys.js';
import { hasLetters, passcodePair } from './passcode.js';
import { simLink } from './simlink.js';
import { put, remove } from './store.js';

export const VERSION = '1.0';

const codeShape = /^[0-9A-HJKMNP-TV-Z]{10}$/;

// readCode reads a code as people type it; null if it has another form.
export function readCode(text) {
  const code = text.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1');
  return codeShape.test(code) ? code : null;
}

const grouped = (code) => code.replace(/^(.{4})(.{4})(.{2})$/, '$1-$2-$3');

function defaultName() {
  const platform = navigator.userAgentData?.platform || navigator.platform || 'Web';
  return /iPhone|iPad/.test(navigator.userAgent) ? 'iPhone' : platform.replace(/ .*/, '');
}

// codeView is the first step.
export function codeView(app, code = '', note) {
  const { t } = app;
  const input = field(t('code'), { type: 'text', name: 'code', value: code, autocapitalize: 'characters', class: 'code', maxlength: 20, placeholder: 'XXXX-XXXX-XX' }, t('codeHint'));
  const send = form(async () => {
    input.fail();
    const typed = readCode(input.input.value);
    if (!typed) return input.fail(t('codeShape'));
    try {
      const begun = await post(null, '/enrol/begin', { code: grouped(typed) });
      show(passcodeView(app, begun));
    } catch (e) {
      input.fail(e.code === 'code' ? t('codeWrong') : app.explain(e));
    }
  }, input.el, h('button', { class: 'primary wide' }, t('next')));
  const el = h('div', { class: 'stack', 'data-view': 'code' },
    h('section', { class: 'card' }, badge('phone', 'calm'), h('h1', null, t('enrolTitle')),
      note && h('p', { class: 'note', role: 'status' }, note), h('p', { class: 'quiet' }, t('enrolText')), send, h('a', { href: '/me/app' }, t('account'))), simLink(t));
  return { el, focus: code ? null : input.input };
}

// passcodeView is the second step: it creates keys and locks them with the passcode.
function passcodeView(app, begun) {
  const { t } = app;
  const pair = passcodePair(t, t('passcode'), begun.msisdn);
  const recovery = begun.recovery === 'wanted' && field(t('recovery'), { type: 'text', name: 'recovery' }, t('recoveryHint'));
  const problem = h('p', { class: 'error', role: 'alert' });
  const send = form(async () => {
    problem.textContent = '';
    recovery?.fail?.();
    const passcode = pair.read();
    if (passcode === null) return;
    try {
      const made = await makeKeys(begun, passcode, recovery ? recovery.input.value.trim() : '');
      await put('enrolment', made);
      await finish(app, made);
    } catch (e) {
      if (e.code === 'code') show(codeView(app, '', t('codeWrong')));
      else if (e.code === 'recovery') recovery.fail(t('recoveryWrong'));
      else problem.textContent = app.explain(e);
    }
  }, pair.els, recovery && recovery.el, problem, h('button', { class: 'primary wide' }, t('enrolGo')));
  const el = h('section', { class: 'card', 'data-view': 'passcode' }, badge('lock', 'calm'), h('h1', null, t('chooseTitle')),
    h('p', { class: 'quiet' }, t('chooseText', { number: begun.msisdn })), send);
  return { el, focus: el.querySelector('input') };
}

// makeKeys creates everything that the call and the device need.
async function makeKeys(begun, passcode, recovery) {
  const [auth, signing, secret, sealKey] = await Promise.all([newAuthKey(), newSigningKey(), newSecret(), newSealKey()]);
  const salt = random(16), share = unb64u(begun.share);
  const p = await stretch(passcode, salt);
  const authKey = await spki(auth), signKey = await spki(signing);
  const proven = concat(utf8('signum enrolment'), Uint8Array.of(0), unb64u(begun.challenge), authKey, signKey);
  const name = defaultName();
  const body = {
    enrolment: begun.enrolment, auth_key: b64u(authKey), auth_proof: b64u(await sign(auth.privateKey, proven)),
    sign_key: b64u(signKey), sign_proof: b64u(await sign(signing.privateKey, proven)),
    verifier: await verifier(secret, p), name, version: VERSION, platform: 'web',
  };
  if (recovery) body.recovery_code = recovery;
  const wrapped = [await wrap(signing.privateKey, p, share)];
  p.fill(0);
  share.fill(0);
  const device = { service: begun.service, auth: auth.privateKey, secret, sealKey, salt, wrapped, letters: hasLetters(passcode), passkeys: [], name, location: { on: false } };
  return { body, device };
}

// finish makes the call, after a reload once more: the stored enrolment is removed
// only when the answer was processed completely.
async function finish(app, made) {
  let answer;
  try {
    answer = await post(null, '/enrol', made.body);
  } catch (e) {
    if (e instanceof ServiceError && e.code !== 'slow' && e.code !== 'internal') await remove('enrolment');
    throw e;
  }
  const device = {
    ...made.device, id: answer.device, msisdn: answer.msisdn, serial: answer.serial,
    certificates: answer.certificates.map(unb64u),
  };
  await put('device', device);
  navigator.storage?.persist?.().catch(() => {});
  if (answer.recovery_code) {
    show(keepView(app, answer.recovery_code, device));
    return;
  }
  await remove('enrolment');
  await app.enrolled(device);
}

// keepView shows the recovery code, once.
function keepView(app, code, device) {
  const { t } = app;
  const go = h('button', { type: 'button', class: 'primary wide', disabled: true, onclick: async () => {
    await remove('enrolment');
    await app.enrolled(device);
  } }, t('next'));
  const tick = h('input', { type: 'checkbox', id: 'kept', onchange: () => { go.disabled = !tick.checked; } });
  const el = h('section', { class: 'card', 'data-view': 'keep' }, badge('warn', 'warn'), h('h1', null, t('keepTitle')),
    h('p', { class: 'quiet' }, t('keepText')), h('p', { class: 'secret', translate: 'no' }, code),
    h('div', { class: 'tick' }, tick, h('label', { for: 'kept' }, t('kept'))), go);
  return { el };
}

// resume continues an enrolment that a reload or the network interrupted. It returns
// false if the service has refused it.
export async function resume(app, made) {
  try {
    await finish(app, made);
    return true;
  } catch (e) {
    if (e instanceof ServiceError && e.code !== 'slow' && e.code !== 'internal') return false;
    const { t } = app;
    show({ el: h('section', { class: 'card', 'data-view': 'interrupted' }, badge('phone', 'calm'), h('h1', null, t('enrolTitle')),
      h('p', null, app.explain(e)), h('button', { type: 'button', class: 'primary wide', onclick: () => location.reload() }, t('retry'))) });
    return true;
  }
}
