// The connection to one handset. It reconnects, and then gets the whole state.

const FIRST_PAUSE = 300, LONGEST_PAUSE = 8000, SILENCE = 40_000; // ms
const GONE = 4404; // closing code: there is no such handset
const PATIENCE = 15_000; // ms for one key press

// list returns all handsets; null if the service does not answer.
export async function list() {
  try {
    const response = await fetch('/phone/sim/list', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
    return response.ok ? (await response.json()).handsets : null;
  } catch {
    return null;
  }
}

// Link calls on.state(state), on.online(yes) and on.missing(). It stops with the last.
export class Link {
  #msisdn; #on; #socket; #timer; #watch; #pause = FIRST_PAUSE; #stopped = false;
  byHand = true; // last value from the service, sent to it after a restart

  constructor(msisdn, on) {
    this.#msisdn = msisdn;
    this.#on = on;
    addEventListener('online', () => this.reconnect());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.reconnect(); });
    this.#connect();
  }

  // reconnect connects at once instead of after the pause.
  reconnect() {
    if (this.#stopped || this.#socket) return;
    this.#pause = FIRST_PAUSE;
    this.#connect();
  }

  // hand sets whether the person at this page answers.
  hand(on) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ byHand: on }));
  }

  // press answers a dialogue. It returns 'ok' or the key of an error text.
  async press(id, key, input) {
    let response;
    try {
      response = await fetch('/phone/sim/press', {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ msisdn: this.#msisdn, id, key, input }),
        cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(PATIENCE),
      });
    } catch {
      this.reconnect();
      return 'offline';
    }
    this.reconnect(); // the new state comes over the connection
    if (response.ok) return 'ok';
    return response.status === 409 || response.status === 404 ? 'stale' : response.status >= 500 ? 'offline' : 'refused';
  }

  #connect() {
    clearTimeout(this.#timer);
    const url = new URL('/phone/sim/live', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    url.searchParams.set('msisdn', this.#msisdn);
    if (!this.byHand) url.searchParams.set('hand', 'off');
    const socket = this.#socket = new WebSocket(url);
    let opened = false;
    this.#heard();
    socket.onmessage = (e) => {
      if (socket !== this.#socket) return;
      opened = true;
      this.#pause = FIRST_PAUSE;
      this.#heard();
      const state = JSON.parse(e.data);
      this.byHand = state.byHand;
      this.#on.online(true);
      this.#on.state(state);
    };
    socket.onclose = (e) => this.#closed(socket, e.code, opened);
  }

  // A connection can break without a close.
  #heard() {
    clearTimeout(this.#watch);
    const socket = this.#socket;
    this.#watch = setTimeout(() => this.#closed(socket), SILENCE);
  }

  async #closed(socket, code, opened) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#watch);
    socket.onclose = null;
    socket.close();
    this.#on.online(false);
    // The browser does not reveal why it could not connect.
    const gone = code === GONE || !opened && (await list())?.every((s) => s.msisdn !== this.#msisdn);
    this.#socket = undefined;
    if (gone) {
      this.#stopped = true;
      this.#on.missing();
      return;
    }
    this.#timer = setTimeout(() => this.#connect(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }
}
