// The service worker lets the App open without a network and turns a push message
// into a notification.

import { changed } from './push.js';
import { service } from './service.js';
import { ours, words } from './words.js';

const SHELL = 'signum-shell';
const PAGE = '/phone';
const files = ['', '/phone.css', '/manifest.webmanifest', '/icon.svg', '/main.js', '/api.js', '/bytes.js', '/clock.js', '/content.js', '/der.js',
  '/dom.js', '/easy.js', '/enrol.js', '/home.js', '/inbox.js', '/keys.js', '/location.js', '/notice.js', '/passcode.js', '/passkey.js', '/party.js', '/passkeys.js', '/push.js', '/reading.js', '/request.js', '/service.js', '/settings.js', '/simlink.js', '/store.js', '/unlock.js', '/visible.js', '/visible-table.js', '/words.js'];

self.addEventListener('install', (e) => e.waitUntil((async () => {
  await (await caches.open(SHELL)).addAll(files.map((f) => new Request(PAGE + f, { cache: 'no-cache' })));
  await self.skipWaiting();
})()));

self.addEventListener('activate', (e) => e.waitUntil(self.clients.claim()));

// The network comes first, so that no phone runs an old App; the cache serves when
// there is none. The query, which may contain a code, is not cached.
self.addEventListener('fetch', (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== 'GET' || url.origin !== location.origin) return;
  if (url.pathname !== PAGE && !url.pathname.startsWith(PAGE + '/')) return;
  if (url.pathname === PAGE + '/sim' || url.pathname.startsWith(PAGE + '/sim/')) return; // another page, which is useless without a network
  e.respondWith((async () => {
    try {
      const response = await fetch(e.request);
      if (response.ok) {
        const copy = response.clone();
        e.waitUntil(caches.open(SHELL).then((c) => c.put(url.pathname, copy)));
      }
      return response;
    } catch (err) {
      const kept = await caches.match(url.pathname);
      if (kept) return kept;
      throw err;
    }
  })());
});

// The message has no content; the App asks its inbox.
self.addEventListener('push', (e) => e.waitUntil((async () => {
  const t = words(ours());
  await self.registration.showNotification(service, {
    body: t('wakeText'), lang: t.lang, tag: 'request', renotify: true, requireInteraction: true,
    icon: PAGE + '/icon-192.png', badge: PAGE + '/icon-192.png',
  });
})()));

// The browser has replaced the subscription, or it has expired. If the service cannot be
// told now, the page does it when it is opened.
self.addEventListener('pushsubscriptionchange', (e) => e.waitUntil(changed(self.registration).catch((err) => console.warn(err))));

self.addEventListener('notificationclick', (e) => {
  e.notification.close();
  e.waitUntil((async () => {
    const open = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
    const page = open.find((c) => new URL(c.url).pathname === PAGE);
    if (page) await page.focus();
    else await self.clients.openWindow(PAGE);
  })());
});
