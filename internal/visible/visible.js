// The rules of package visible, for pages: a person must see every character of a text
// that is signed, and in the order in which they are signed. check.go explains them.

import { CLASS_BITS, sequences, table } from './visible-table.js';

const MAX_MARKS = 4, MAX_BREAKS = 3;
const ZWNJ = 0x200c, ZWJ = 0x200d, EMOJI_FORM = 0xfe0f, KEYCAP = 0x20e3;
const [REFUSED, MARK, BLANK, RIGHT_TO_LEFT, VIRAMA, JOINS_NEXT, JOINS_PREVIOUS, TRANSPARENT, EMOJI] =
  Array.from({ length: CLASS_BITS }, (_, i) => 1 << i);

// classOf returns the class of a code point, and 0 if there is none.
function classOf(r) {
  if (r === undefined) return 0;
  let lo = 0, hi = table.length;
  while (lo + 1 < hi) {
    const mid = (lo + hi) >> 1;
    if (table[mid] >>> CLASS_BITS <= r) lo = mid;
    else hi = mid;
  }
  return table[lo] & ((1 << CLASS_BITS) - 1);
}

const points = (text) => Array.from(text, (c) => c.codePointAt(0));
const isTone = (r) => r >= 0x1f3fb && r <= 0x1f3ff;
const isBreak = (r) => r === 0x0a || r === 0x0c || r === 0x0d;

// emojiSequence returns the number of characters of the longest RGI emoji sequence at
// an index. The list has `a` for the first skin tone and `b` for another one.
function emojiSequence(cps, at) {
  let key = '', tone, length = 0, joined = true;
  for (let i = at; i < cps.length; i++) {
    const r = cps[i];
    if (isTone(r) && i > at) key += r === (tone ??= r) ? 'a' : 'b';
    else if (joined || r === ZWJ || r === EMOJI_FORM) key += String.fromCodePoint(r);
    else break;
    joined = r === ZWJ;
    if (sequences.has(key)) length = i + 1 - at;
  }
  return length;
}

// joins reports whether letters on both sides of an index would join.
function joins(cps, at) {
  let i = at - 1;
  while (classOf(cps[i]) & TRANSPARENT) i--;
  if (!(classOf(cps[i]) & JOINS_NEXT)) return false;
  for (i = at + 1; classOf(cps[i]) & TRANSPARENT;) i++;
  return Boolean(classOf(cps[i]) & JOINS_PREVIOUS);
}

// excepted reports whether a character that is otherwise refused changes what is seen.
function excepted(cps, at) {
  const before = cps[at - 1];
  switch (cps[at]) {
    case EMOJI_FORM: return before < 0x80 && /[0-9#*]/.test(String.fromCodePoint(before)) && cps[at + 1] === KEYCAP;
    case ZWJ: return Boolean(classOf(before) & VIRAMA);
    case ZWNJ: return Boolean(classOf(before) & VIRAMA) || joins(cps, at);
  }
  return false;
}

// marksOf returns a function that takes the characters of a text one after another and
// returns what is wrong with the marks on the last base: 'same', 'marks' or nothing. The
// marks are decomposed and in canonical order, so that two texts that look the same have
// the same marks.
function marksOf() {
  let marks = [];
  const swapped = (a, b) => a !== b && (a + b).normalize('NFD') === b + a;
  const add = (part) => {
    if (!(classOf(part.codePointAt(0)) & MARK)) {
      marks = [];
      return undefined;
    }
    let at = marks.length;
    while (at > 0 && swapped(marks[at - 1], part)) at--;
    if (marks[at - 1] === part) return 'same';
    if (marks.length === MAX_MARKS) return 'marks';
    marks.splice(at, 0, part);
    return undefined;
  };
  return (r) => {
    const char = String.fromCodePoint(r), parts = Array.from(char.normalize('NFD'));
    // Some vowels of Gurung Khema are the same mark twice: they stand for themselves.
    if (parts.some((p, i) => p === parts[i - 1])) return add(char);
    for (const p of parts) {
      const bad = add(p);
      if (bad) return bad;
    }
    return undefined;
  };
}

// refusal returns what is wrong with the first character of a text that must not be
// there, as {what, rune, position}; null if all are right.
export function refusal(text) {
  const cps = points(text);
  const marks = marksOf();
  let breaks = 0;
  for (let at = 0; at < cps.length; at++) {
    const r = cps[at], c = classOf(r);
    const wrong = (what) => ({ what, rune: r, position: at + 1 });
    if (isBreak(r)) {
      if (breaks++ === MAX_BREAKS) return wrong('breaks');
      if (r === 0x0d && cps[at + 1] === 0x0a) at++;
    } else if (c & REFUSED) {
      if (!excepted(cps, at)) return wrong('unseen');
      continue; // the marks around it are on the same base
    }
    const bad = marks(r);
    if (bad) return wrong(bad);
    if (c & MARK) continue;
    if (c & EMOJI) {
      at += Math.max(1, emojiSequence(cps, at)) - 1;
    }
    if (!isBreak(r) && !(c & BLANK)) breaks = 0;
  }
  return null;
}

// runs splits a text into runs of right-to-left letters and what is between them, as
// {text, rtl}. Marks, joiners, and spaces between two letters belong to a run. All
// line breaks become line feeds.
export function runs(text) {
  const cps = points(text.replace(/\r\n|[\r\f]/g, '\n'));
  const out = [];
  const add = (from, to, rtl) => {
    if (from < to) out.push({ text: String.fromCodePoint(...cps.slice(from, to)), rtl });
  };
  let from = 0;
  for (let at = 0; at < cps.length; at++) {
    if (!(classOf(cps[at]) & RIGHT_TO_LEFT)) continue;
    add(from, at, false);
    from = endOfRun(cps, at);
    add(at, from, true);
    at = from - 1;
  }
  add(from, cps.length, false);
  return out;
}

// endOfRun returns the index behind a run that begins at an index.
function endOfRun(cps, at) {
  for (;;) {
    at++;
    while (classOf(cps[at]) & MARK || cps[at] === ZWJ || cps[at] === ZWNJ) at++;
    let next = at;
    while (cps[next] === 0x20 || cps[next] === 0xa0) next++;
    if (!(classOf(cps[next]) & RIGHT_TO_LEFT)) return at;
    at = next;
  }
}

// laidOut returns an element that shows a text from left to right and isolates each
// run of right-to-left letters, so that digits and signs stay in the order in which
// they are signed.
export function laidOut(text) {
  const el = document.createElement('bdo');
  el.dir = 'ltr';
  for (const run of runs(text)) {
    if (!run.rtl) {
      el.append(run.text);
      continue;
    }
    const letters = document.createElement('bdi');
    letters.dir = 'rtl';
    letters.textContent = run.text;
    el.append(letters);
  }
  return el;
}
