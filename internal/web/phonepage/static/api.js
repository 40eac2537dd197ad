// Calls to the service, each with a proof.

import { b64u, random, sha256, utf8 } from './bytes.js';
import { clock } from './clock.js';
import { sign } from './keys.js';

const BASE = '/app/v2';
const PATIENCE = 15_000; // ms for one call

// ServiceError is a refusal by the service: `code` and the further members are
// those of the protocol. The message of an internal error names its incident, so
// that users can report it.
export class ServiceError extends Error {
  constructor(status, body, retryAfter) {
    super((body.detail || body.error || `HTTP ${status}`) + (body.incident ? ` (${body.incident})` : ''));
    Object.assign(this, body, { status, code: body.error ?? 'internal', retryAfter });
  }
}

// Offline means that the service did not answer.
export class Offline extends Error {}

const json = (value) => b64u(utf8(JSON.stringify(value)));

// proof proves that this device makes this call, now.
export async function proof(device, method, path, body = '') {
  const head = { alg: 'ES256', typ: 'signum-proof+jwt', kid: device.id };
  const claims = {
    aud: device.service, htm: method, htu: BASE + path, bh: b64u(await sha256(utf8(body))),
    iat: Math.floor(clock.now()) / 1000, jti: b64u(random(16)),
  };
  const signed = json(head) + '.' + json(claims);
  return signed + '.' + b64u(await sign(device.auth, utf8(signed)));
}

async function once(device, method, path, body) {
  const headers = {};
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (device) headers['Signum-Proof'] = await proof(device, method, path, body);
  let response, bytes;
  try {
    response = await fetch(BASE + path, {
      method, headers, body, cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(PATIENCE),
    });
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch {
    throw new Offline();
  }
  const isJSON = response.headers.get('Content-Type')?.startsWith('application/json');
  let value = bytes;
  if (isJSON) {
    try {
      value = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      throw new Offline(); // the answer was cut off
    }
  }
  if (response.ok) return value;
  // An intermediary, such as a proxy whose service is down, does not speak the protocol.
  if (!isJSON && response.status >= 502) throw new Offline();
  throw new ServiceError(response.status, isJSON ? value : {}, Number(response.headers.get('Retry-After')) || 0);
}

// call makes one call; without a device it has no proof. If the clock was wrong, it
// corrects it and repeats the call.
export async function call(device, method, path, value) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  try {
    return await once(device, method, path, body);
  } catch (e) {
    if (e.code === 'stale' && e.now) clock.set(e.now * 1000);
    else if (e.code !== 'replay') throw e;
  }
  return once(device, method, path, body);
}

export const post = (device, path, value) => call(device, 'POST', path, value);
