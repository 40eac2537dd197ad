// The inbox: a WebSocket that reconnects, and the pending requests.

import { proof } from './api.js';
import { clock } from './clock.js';

const FIRST_PAUSE = 500, LONGEST_PAUSE = 30_000, HEARTBEAT = 25_000; // ms
const WELCOME = 10_000; // ms for a connection to be accepted

export const nameOf = (req) => `${req.id} ${req.op}`;

// Pending has the requests that wait for this phone, each (id, op) once.
export class Pending {
  #requests = new Map();
  #answered;

  constructor(answered) {
    this.#answered = answered; // names of requests that must not be shown again
  }

  // add adds a request. It returns the requests that it replaces, or null if it is
  // not new.
  add(req) {
    const name = nameOf(req);
    if (!['sign', 'display'].includes(req.op)) return null;
    if (this.#answered.has(name) || this.#requests.has(name) || req.expires <= clock.now()) return null;
    const older = [];
    if (req.op === 'sign') {
      for (const r of this.#requests.values()) {
        if (r.op !== 'sign') continue;
        if (r.created > req.created) return null; // it arrived after the one that replaces it
        older.push(r);
      }
    }
    for (const r of older) this.drop(r);
    this.#requests.set(name, req);
    return older;
  }

  has = (req) => this.#requests.has(nameOf(req));
  drop = (req) => this.#requests.delete(nameOf(req));
  missing = (list) => [...this.#requests.values()].filter((r) => !list.some((l) => nameOf(l) === nameOf(r)));

  // answer marks a request as answered: it will never be pending again.
  answer(req) {
    this.#answered.add(nameOf(req));
    this.drop(req);
  }

  // next is the request to show. Signatures are more urgent than receipts.
  next() {
    const all = [...this.#requests.values()].filter((r) => r.expires > clock.now());
    return all.find((r) => r.op === 'sign') ?? all[0];
  }
}

// Inbox calls on.sync(list), on.request(r), on.gone(frame), on.notice(n), on.state('online' |
// 'connecting' | 'offline'), on.unclear(), on.refused(code) and on.elsewhere(). It stops with
// either of the last two.
export class Inbox {
  #device; #on; #socket; #pause = FIRST_PAUSE; #timer; #beat; #heard = 0; #welcome = false; #stopped = true; #failures = 0; #wait; #shown;

  constructor(device, on) {
    this.#device = device;
    this.#on = on;
    // A phone that wakes up or gets a network reconnects at once.
    const reconnect = () => {
      if (this.#stopped || this.#socket || document.hidden) return;
      this.#pause = FIRST_PAUSE;
      this.#connect();
    };
    addEventListener('online', reconnect);
    document.addEventListener('visibilitychange', reconnect);
  }

  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  // shown reports which request is on the screen, and repeats that after a reconnect.
  shown(req) {
    this.#shown = req && { type: 'shown', id: req.id, op: req.op };
    if (req) this.#send(this.#shown);
  }

  #send(frame) {
    if (this.#welcome && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#lost();
    this.#welcome = false;
    const url = new URL('/app/v2/inbox', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = this.#socket = new WebSocket(url);
    this.#keepAlive(HEARTBEAT);
    clearTimeout(this.#wait);
    this.#wait = setTimeout(() => { if (!this.#welcome) this.#closed(socket, {}); }, WELCOME);
    socket.onopen = async () => {
      const hello = await proof(this.#device, 'GET', '/inbox');
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'hello', proof: hello }));
    };
    socket.onmessage = (e) => this.#receive(e.data);
    socket.onclose = (e) => this.#closed(socket, e);
  }

  // lost tells that there is no connection. A single failure need not mean that: a
  // connection that broke is usually back at once.
  #lost() {
    this.#on.state(this.#failures > 1 || !navigator.onLine ? 'offline' : 'connecting');
  }

  #receive(data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    this.#heard = performance.now();
    if ('now' in frame) clock.set(frame.now);
    switch (frame.type) {
      case 'welcome':
        this.#pause = FIRST_PAUSE;
        this.#welcome = true;
        this.#failures = 0;
        this.#keepAlive(frame.heartbeat || HEARTBEAT);
        this.#on.state('online');
        if (this.#shown) this.#send(this.#shown);
        break;
      case 'sync': this.#on.sync(frame.requests ?? []); break;
      case 'request': this.#on.request(frame.request); break;
      case 'gone': this.#on.gone(frame); break;
      case 'notice': this.#on.notice(frame.notice); break;
    }
  }

  #keepAlive(heartbeat) {
    clearInterval(this.#beat);
    this.#heard = performance.now();
    const socket = this.#socket;
    this.#beat = setInterval(() => {
      // A connection can break without a close; then not even pongs arrive.
      if (performance.now() - this.#heard > 2 * heartbeat) this.#closed(socket, {});
      else this.#send({ type: 'ping' });
    }, heartbeat * 0.7);
  }

  #closed(socket, { code, reason }) {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearInterval(this.#beat);
    socket.close();
    if (this.#stopped) return;
    this.#failures += this.#welcome ? 1 : 2;
    this.#lost();
    if (code === 4409 || (code === 4401 && reason !== 'stale')) {
      this.#stopped = true;
      if (code === 4409) this.#on.elsewhere();
      else this.#on.refused(reason);
      return;
    }
    this.#timer = setTimeout(() => this.#connect(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    // A closing code cannot carry the time of the service, and a connection that was
    // refused does not say why. Any call does.
    if (code === 4401 || this.#failures === 2 || this.#failures === 3) this.#on.unclear();
  }
}
