// Unlocking the signing key with the person's passcode or passkey and the share of
// the service. Secrets are wiped after use.

import { Offline, post } from './api.js';
import { b64u, sha256, unb64u } from './bytes.js';
import { dialog, form, h } from './dom.js';
import { seal, sign, stretch, unseal, unwrap, verifier, wrap } from './keys.js';
import { hasLetters, passcodeField } from './passcode.js';
import { asker } from './party.js';
import * as passkey from './passkey.js';
import { put } from './store.js';
import { laidOut } from './visible.js';

// While a passcode is being changed, `wrapped` and `sealed` contain the old and the
// new version. The answer can be lost, and then only the service knows which one is
// valid. The next correct passcode decides.
async function settle(device, index) {
  if (device.wrapped.length === 1) return;
  device.wrapped = [device.wrapped[index]];
  if (device.sealed) device.sealed = [device.sealed[index]];
  await put('device', device);
}

// count stores how many tries are left.
async function count(device, tries) {
  if (device.tries === tries) return;
  device.tries = tries;
  await put('device', device);
}

// withPasscode lets the service check a passcode, for a request or, without an id, for
// work on how the key is protected. Then it runs work(p, share).
async function withPasscode(device, passcode, id, work) {
  const p = await stretch(passcode, device.salt);
  let share;
  try {
    const answer = await post(device, id ? '/unlock' : '/share', { verifier: await verifier(device.secret, p), id });
    await count(device, undefined);
    share = unb64u(answer.share);
    return await work(p, share);
  } catch (e) {
    if (e.code === 'passcode') await count(device, e.tries_left);
    // No tries are left, whichever way the service says it.
    if (e.code === 'passcode' && e.tries_left === 0) e.code = 'blocked';
    throw e;
  } finally {
    p.fill(0);
    share?.fill(0);
  }
}

// signWithPasscode signs the attributes of a request, if it is still open.
export function signWithPasscode(device, passcode, req, alive) {
  return withPasscode(device, passcode, req.id, async (p, share) => {
    const { key, index } = await unwrap(device.wrapped, p, share);
    await settle(device, index);
    return alive() ? b64u(await sign(key, unb64u(req.attrs))) : null;
  });
}

// signWithPasskey does the same. The assertion is valid for this request only.
export async function signWithPasskey(device, req, alive) {
  const attrs = unb64u(req.attrs);
  const assertion = await passkey.assert(device, await sha256(attrs));
  const share = unb64u((await post(device, '/unlock', { assertion, id: req.id })).share);
  await count(device, undefined);
  try {
    // Any version will do: each sealed P unwraps its own copy of the key.
    const p = await unseal(device.sealKey, device.sealed[0]);
    const { key } = await unwrap([device.wrapped[0]], p, share).finally(() => p.fill(0));
    return alive() ? b64u(await sign(key, attrs)) : null;
  } finally {
    share.fill(0);
  }
}

// changePasscode re-encrypts the key with the same salt and share.
export function changePasscode(device, old, newPasscode) {
  return withPasscode(device, old, undefined, async (p, share) => {
    const q = await stretch(newPasscode, device.salt);
    try {
      const { key, index } = await unwrap(device.wrapped, p, share, true);
      await settle(device, index);
      const before = { wrapped: device.wrapped, sealed: device.sealed };
      device.wrapped = [...device.wrapped, await wrap(key, q, share)];
      if (device.sealed) device.sealed = [...device.sealed, await seal(device.sealKey, q)];
      await put('device', device);
      try {
        await post(device, '/passcode', { verifier: await verifier(device.secret, p), new_verifier: await verifier(device.secret, q) });
      } catch (e) {
        if (!(e instanceof Offline)) {
          Object.assign(device, before);
          await put('device', device);
        }
        throw e;
      }
      device.letters = hasLetters(newPasscode);
      await settle(device, 1);
    } finally {
      q.fill(0);
    }
  });
}

// addPasskey checks the passcode first, so that no unused passkey is created.
export function addPasskey(device, passcode) {
  return withPasscode(device, passcode, undefined, async (p, share) => {
    const { index } = await unwrap(device.wrapped, p, share);
    await settle(device, index);
    const made = await passkey.create(device);
    await post(device, '/passkey', { ...made, verifier: await verifier(device.secret, p) });
    device.sealed = [await seal(device.sealKey, p)];
    device.passkeys = [...device.passkeys, made.id];
    await put('device', device);
  });
}

const triesLeft = (t, n) => (n === 1 ? t('lastTry') : t('triesLeft', { n }));

export const wrongPasscode = (t, n) => t('wrong') + ' ' + triesLeft(t, n);

// askToSign opens the dialog for a request. It resolves with the signature, or with
// null if the person cancelled or the request ended. It throws errors that another
// try cannot fix. A phone with a passkey asks for it first.
export async function askToSign(app, t, req, what, alive) {
  const { device } = app;
  let result = null, failure, running;
  const tries = device.tries === undefined ? undefined : triesLeft(t, device.tries);
  const code = passcodeField(t, t('passcode'), { name: 'passcode', autofocus: true }, tries, device.letters ?? true);
  const state = h('p', { class: 'busy-note', role: 'status' });
  const problem = h('p', { class: 'error', role: 'alert' });
  const byPasskey = device.passkeys.length > 0 && passkey.possible();

  const attempt = async (signing) => {
    problem.textContent = '';
    code.fail();
    d.busy(true);
    state.textContent = t('unlockingNow');
    try {
      result = await signing();
      d.close();
    } catch (e) {
      explain(e);
    } finally {
      state.textContent = '';
      d.busy(false);
      code.input.value = '';
    }
  };
  const tell = (text) => {
    if (send.hidden) problem.textContent = text;
    else code.fail(text);
  };
  const explain = (e) => {
    if (e.code === 'passcode') code.fail(wrongPasscode(t, e.tries_left));
    else if (e instanceof DOMException) tell(t('passkeyFailed'));
    else if (e.code === 'passkey') {
      problem.textContent = t('passkeyRefused');
      withPasscodeNow();
    } else if (e instanceof Offline || e.code === 'slow') tell(app.explain(e, t));
    else {
      failure = e;
      d.close();
    }
  };

  const send = form(async () => {
    const passcode = code.input.value;
    if (passcode) await (running = attempt(() => signWithPasscode(device, passcode, req, alive)));
    else code.fail(t('passcodeShort'));
  }, code.el, h('div', { class: 'buttons' },
    h('button', { class: 'primary', 'data-do': 'sign' }, t('sign')),
    h('button', { type: 'button', 'data-do': 'back', onclick: () => d.close() }, t('cancel'))));
  const heading = h('h2', null, t(byPasskey ? 'unlockPasskey' : 'unlockTitle'));
  const first = byPasskey && h('div', { class: 'column' },
    h('button', { type: 'button', class: 'primary wide', 'data-do': 'passkey', autofocus: true, onclick: () => { running = attempt(() => signWithPasskey(device, req, alive)); } }, t('usePasskey')),
    h('button', { type: 'button', class: 'wide', 'data-do': 'use-passcode', onclick: () => withPasscodeNow() }, t('usePasscode')),
    h('button', { type: 'button', class: 'wide', 'data-do': 'back', onclick: () => d.close() }, t('cancel')));
  const withPasscodeNow = () => {
    heading.textContent = t('unlockTitle');
    first.hidden = true;
    send.hidden = false;
    code.input.focus();
  };
  send.hidden = byPasskey;
  const d = dialog(t.lang, heading, asker(req.party), h('p', { class: 'quiet clip' }, laidOut(t('unlockText', { what }))), first, send, problem, state);
  await d.closed;
  // The request may end before the service answers, for example because that was the
  // last try.
  await running;
  if (failure) throw failure;
  return result;
}
