// The storage of the App, in IndexedDB. Keys are CryptoKeys, which the database
// stores without making them readable.
//
//   values   device: identity, keys and settings of this phone
//            enrolment: one that is not complete
//            answered: names of the requests that were answered last
//   history  the signatures

const HISTORY = 200, ANSWERED = 100; // kept at most

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

let opened;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('signum-phone', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('values');
      request.result.createObjectStore('history', { keyPath: 'id' }).createIndex('time', 'time');
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

// on runs work in one transaction and resolves when that is on disk.
async function on(name, mode, work) {
  const tx = (await database()).transaction(name, mode, { durability: 'strict' });
  const result = work(tx.objectStore(name));
  await new Promise((resolve, reject) => {
    tx.oncomplete = resolve;
    tx.onerror = tx.onabort = () => reject(tx.error);
  });
  return result;
}

export const get = (key) => on('values', 'readonly', (s) => done(s.get(key)));
export const put = (key, value) => on('values', 'readwrite', (s) => { s.put(value, key); });
export const remove = (key) => on('values', 'readwrite', (s) => { s.delete(key); });

// wipe deletes everything, above all the keys.
export async function wipe() {
  await on('values', 'readwrite', (s) => { s.clear(); });
  await on('history', 'readwrite', (s) => { s.clear(); });
}

export async function answered() {
  return new Set(await get('answered'));
}

export async function addAnswered(name) {
  const names = [...await answered(), name];
  await put('answered', names.slice(-ANSWERED));
}

export const remember = (entry) => on('history', 'readwrite', (s) => {
  s.put(entry);
  s.count().onsuccess = (e) => {
    let extra = e.target.result - HISTORY;
    if (extra <= 0) return;
    s.index('time').openCursor().onsuccess = (c) => {
      if (!c.target.result || extra-- <= 0) return;
      c.target.result.delete();
      c.target.result.continue();
    };
  };
});

export async function history() {
  const all = await on('history', 'readonly', (s) => done(s.index('time').getAll()));
  return all.reverse();
}
