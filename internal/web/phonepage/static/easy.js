// Passcodes that are easy to guess. The service never sees a passcode and allows three
// tries, so that the App must refuse those that people choose most.

// Digits and letters that lie in a row: on the keypad, on keyboards, in the alphabet.
const rows = ['12345678901234567890', '147258369', '789456123', '741852963', '159357', '159753', '951753', 'abcdefghijklmnopqrstuvwxyz',
  'qwertzuiop', 'qwertyuiop', 'azertyuiop', 'asdfghjkl', 'yxcvbnm', 'zxcvbnm', '314159265', '271828182', '112358132134'];

const words = /password|passwort|motdepasse|parola|passcode|secret|geheim|signum|letmein|welcome|willkommen|bienvenue|iloveyou|admin/;

const backwards = (s) => [...s].reverse().join('');

// steps reports whether each digit differs from the one before by the same number, as
// in 111111, 123456, 97531 and 246802.
function steps(s) {
  if (!/^\d+$/.test(s)) return false;
  const by = (i) => (s[i] - s[i - 1] + 10) % 10;
  return [...s].every((_, i) => i < 2 || by(i) === by(1));
}

// inOrder reports whether characters are in a row, possibly each more than once, as in
// 112233.
function inOrder(s) {
  const single = s.replace(/(.)\1+/g, '$1');
  return [s, single].some((c) => steps(c) || c.length >= 3 && rows.some((r) => r.includes(c) || r.includes(backwards(c))));
}

const repeats = (s) => new Set(s).size < 3 || /^(.{1,4})\1+$/.test(s) || s.length < 8 && s === backwards(s);

const between = (n, low, high) => n >= low && n <= high;

// isDate reports whether digits are a date, with a year of two or four digits, or a
// month of a year.
function isDate(s) {
  const day = (d, m) => between(Number(d), 1, 31) && between(Number(m), 1, 12);
  const year = (y) => between(Number(y), 1900, 2099);
  const cut = (...at) => at.map((n, i) => s.slice(n, at[i + 1]));
  if (/^\d{6}$/.test(s)) {
    const [a, b, c] = cut(0, 2, 4);
    return day(a, b) || day(b, a) || day(c, b) || year(s.slice(0, 4)) && between(Number(c), 1, 12) || between(Number(a), 1, 12) && year(s.slice(2));
  }
  if (!/^\d{8}$/.test(s)) return false;
  const [a, b, last] = cut(0, 2, 4), [first, c, d] = cut(0, 4, 6);
  return year(last) && (day(a, b) || day(b, a)) || year(first) && day(d, c);
}

// isEasy reports whether a passcode is one that others would try first. `number` is that
// of the user; hidden digits of it are ignored.
export function isEasy(passcode, number = '') {
  const s = passcode.toLowerCase();
  const visible = number.replace(/^\+/, '').split(/\D+/);
  const ofNumber = /^\d+$/.test(s) && visible.some((part) => part.includes(s) || part.includes(backwards(s)));
  return repeats(s) || inOrder(s) || isDate(s) || words.test(s) || ofNumber;
}
