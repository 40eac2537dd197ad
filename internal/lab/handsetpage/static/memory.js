// Which messages the person has seen; for all pages of a handset in this browser.

const FRESH = 120_000_000; // µs: flash messages that are older when a page first opens are not shown any more

export class Memory {
  #name; #kept = {};

  // changed is called when another page has changed it.
  constructor(msisdn, changed) {
    this.#name = 'signum-sim ' + msisdn;
    this.#load();
    addEventListener('storage', (e) => {
      if (e.key !== this.#name) return;
      this.#load();
      changed();
    });
  }

  #load() {
    try {
      this.#kept = JSON.parse(localStorage.getItem(this.#name)) ?? {};
    } catch {
      this.#kept = {}; // the browser keeps nothing for us
    }
  }

  #keep(more) {
    Object.assign(this.#kept, more);
    try {
      localStorage.setItem(this.#name, JSON.stringify(this.#kept));
    } catch {
      // then it is for this page only
    }
  }

  // since is called with the service's time, in ms.
  since(now) {
    if (this.#kept.flash === undefined) this.#keep({ flash: now * 1000 - FRESH });
  }

  // Messages come in the order of their times.
  isNew = (m) => m.time > this.#kept.flash;
  isUnread = (m) => !m.flash && m.time > (this.#kept.read ?? 0);

  dismiss(m) {
    this.#keep({ flash: m.time });
  }

  read(messages) {
    const last = messages.at(-1)?.time ?? 0;
    if (last > (this.#kept.read ?? 0)) this.#keep({ read: last });
  }
}
