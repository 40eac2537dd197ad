// Remembers which messages the person has seen, for all pages of a handset in this
// browser.

const MAX_AGE = 120_000_000; // µs; the first page that opens does not show older flash messages

export class Memory {
  #name; #kept = {};

  // changed is called after a change by another page.
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
      this.#kept = {}; // the browser denies storage
    }
  }

  #keep(more) {
    Object.assign(this.#kept, more);
    try {
      localStorage.setItem(this.#name, JSON.stringify(this.#kept));
    } catch {
      // it applies to this page only
    }
  }

  // since gets the time of the service, in ms.
  since(now) {
    if (this.#kept.flash === undefined) this.#keep({ flash: now * 1000 - MAX_AGE });
  }

  // Messages are in the order of their times.
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
