// The keys of the App, as docs/app-protocol.md defines them. Nothing here uses the
// network or the storage. The caller wipes P and shares after use.

import { b64u, concat, random, utf8 } from './bytes.js';

const P256 = { name: 'ECDSA', namedCurve: 'P-256' };
const ES256 = { name: 'ECDSA', hash: 'SHA-256' };
const ROUNDS = 310_000;
const { subtle } = crypto;

export const newAuthKey = () => subtle.generateKey(P256, false, ['sign']);

// newSigningKey must be extractable, otherwise it cannot be wrapped.
export const newSigningKey = () => subtle.generateKey(P256, true, ['sign']);

export const newSecret = () => subtle.generateKey({ name: 'HMAC', hash: 'SHA-256', length: 256 }, false, ['sign']);

export const newSealKey = () => subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);

export const spki = async (pair) => new Uint8Array(await subtle.exportKey('spki', pair.publicKey));

// sign returns r and s, 32 bytes each.
export const sign = async (key, bytes) => new Uint8Array(await subtle.sign(ES256, key, bytes));

// stretch derives P from the passcode. Normalisation makes the result independent of
// how a keyboard composes characters.
export async function stretch(passcode, salt) {
  const key = await subtle.importKey('raw', utf8(passcode.normalize('NFC')), 'PBKDF2', false, ['deriveBits']);
  return new Uint8Array(await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ROUNDS }, key, 256));
}

// verifier is all that the service learns about the passcode.
export async function verifier(secret, p) {
  return b64u(await subtle.sign('HMAC', secret, concat(utf8('signum verifier'), p)));
}

async function kek(p, share) {
  const ikm = concat(p, share);
  const key = await subtle.importKey('raw', ikm, 'HKDF', false, ['deriveKey']);
  ikm.fill(0);
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: utf8('signum signing key') };
  return subtle.deriveKey(hkdf, key, { name: 'AES-GCM', length: 256 }, false, ['wrapKey', 'unwrapKey']);
}

// wrap encrypts the signing key. The page never sees its PKCS #8.
export async function wrap(key, p, share) {
  const iv = random(12);
  const data = await subtle.wrapKey('pkcs8', key, await kek(p, share), { name: 'AES-GCM', iv });
  return { iv, data: new Uint8Array(data) };
}

// unwrap decrypts the first version that P and share fit. While a passcode is being
// changed there are two.
export async function unwrap(wrapped, p, share, extractable = false) {
  const k = await kek(p, share);
  for (const [index, { iv, data }] of wrapped.entries()) {
    try {
      return { index, key: await subtle.unwrapKey('pkcs8', data, k, { name: 'AES-GCM', iv }, P256, extractable, ['sign']) };
    } catch { /* try the next version */ }
  }
  throw new Error('the signing key cannot be opened');
}

// seal encrypts P for use with a passkey, because P comes from the passcode.
export async function seal(key, p) {
  const iv = random(12);
  return { iv, data: new Uint8Array(await subtle.encrypt({ name: 'AES-GCM', iv }, key, p)) };
}

export async function unseal(key, { iv, data }) {
  return new Uint8Array(await subtle.decrypt({ name: 'AES-GCM', iv }, key, data));
}
