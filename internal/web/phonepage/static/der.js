// The part of DER that the signed attributes need.

import { equal } from './bytes.js';

const SET = 0x31, SEQUENCE = 0x30, OID = 0x06, OCTETS = 0x04;
const messageDigestOID = Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04); // 1.2.840.113549.1.9.4

// element reads one element that starts at `at`: definite, minimal lengths only.
function element(b, at) {
  const tag = b[at];
  let n = b[at + 1], start = at + 2;
  if (tag === undefined || n === undefined) throw new Error('DER: ends too early');
  if (n >= 0x80) {
    const count = n & 0x7f;
    if (count < 1 || count > 3 || start + count > b.length) throw new Error('DER: length');
    n = 0;
    for (let i = 0; i < count; i++) n = n * 256 + b[start + i];
    if (n < 0x80 || n < 256 ** (count - 1)) throw new Error('DER: length is not minimal');
    start += count;
  }
  if (start + n > b.length) throw new Error('DER: ends too early');
  return { tag, body: b.subarray(start, start + n), end: start + n };
}

// children reads all elements of a body up to its end.
function children(b) {
  const out = [];
  for (let at = 0; at < b.length;) {
    const e = element(b, at);
    out.push(e);
    at = e.end;
  }
  return out;
}

const is = (e, tag) => {
  if (!e || e.tag !== tag) throw new Error('DER: another element was expected');
  return e.body;
};

// messageDigest finds the digest in the attributes of a CMS signer. There must be
// exactly one, and nothing may follow the set, so that the signed bytes have a single
// meaning.
export function messageDigest(attrs) {
  const all = children(attrs);
  if (all.length !== 1) throw new Error('DER: not one set');
  let digest;
  for (const attr of children(is(all[0], SET))) {
    const [type, values, more] = children(is(attr, SEQUENCE));
    if (more) throw new Error('DER: attribute');
    const set = children(is(values, SET));
    if (!equal(is(type, OID), messageDigestOID)) continue;
    if (digest || set.length !== 1) throw new Error('DER: more than one digest');
    digest = is(set[0], OCTETS);
  }
  if (digest?.length !== 32) throw new Error('DER: no digest');
  return digest;
}
