// Notifications of requests, by the push service of the browser. The page and the
// service worker use this module.

import { call, post } from './api.js';
import { b64u, unb64u } from './bytes.js';
import { get } from './store.js';

// formOf is a subscription in the form of the protocol.
const formOf = (s) => s && { endpoint: s.endpoint, p256dh: b64u(s.getKey('p256dh')), auth: b64u(s.getKey('auth')) };

export const possible = () => 'PushManager' in self && 'Notification' in self;

// subscribed returns a subscription that is made for the key of the service. If there
// is one for another key, or if it has ended, a new one takes its place.
export async function subscribed(registration, ended = false) {
  const { key } = await call(null, 'GET', '/push-key');
  const old = await registration.pushManager.getSubscription();
  const madeFor = old?.options?.applicationServerKey;
  if (old && !ended && (!madeFor || b64u(madeFor) === key)) return old;
  await old?.unsubscribe();
  return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: unb64u(key) });
}

export const turnOff = async (registration) => { await (await registration.pushManager.getSubscription())?.unsubscribe(); };

// report returns what a heartbeat says of notifications: a subscription, null for
// none, undefined if that is not known. With `ended`, the last one has ended.
export async function report(device, ended) {
  const registration = await navigator.serviceWorker?.getRegistration('/phone');
  if (!registration || !possible()) return undefined;
  if (!device.notify) return null;
  if (Notification.permission !== 'granted') return null;
  try {
    return formOf(await subscribed(registration, ended));
  } catch (e) {
    console.warn(e);
    if (ended) return null;
    return formOf(await registration.pushManager.getSubscription().catch(() => null)) ?? undefined;
  }
}

// changed reports a subscription that the browser has replaced or that has expired,
// while no page is open.
export async function changed(registration) {
  const device = await get('device');
  if (!device?.notify || device.blocked) return;
  await post(device, '/heartbeat', { push: formOf(await subscribed(registration)) });
}
