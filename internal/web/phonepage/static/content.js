// What a request shows, and what is signed of it.

import { equal, sha256, unb64u, utf8 } from './bytes.js';
import { messageDigest } from './der.js';

const TXN_APPROVAL = 'application/vnd.mobileid.txn-approval';

// content reads the text of a request: {text}, or {title, rows} of a transaction
// approval; `signed` is what the digest is of. It throws on a text of another form.
export function content(req) {
  if (req.mime !== TXN_APPROVAL) return { text: req.text, signed: req.text };
  const { type, dtbd, ...rest } = JSON.parse(req.text);
  if (typeof type !== 'string' || !Array.isArray(dtbd) || dtbd.length === 0 || Object.keys(rest).length) {
    throw new Error('not a transaction approval');
  }
  const rows = dtbd.map((row) => {
    const members = Object.entries(row);
    if (members.length !== 2 || members.some(([k, v]) => (k !== 'key' && k !== 'value') || typeof v !== 'string')) {
      throw new Error('not a row of a transaction approval');
    }
    // Half a surrogate pair is no character; the service has U+FFFD for it.
    // Members stay in the order of the request.
    return Object.fromEntries(members.map(([k, v]) => [k, v.toWellFormed()]));
  });
  const signed = JSON.stringify({ format_version: 1, content_string: JSON.stringify(rows) });
  return { title: type, rows, signed };
}

// Marks that reorder a line: with them a text reads otherwise than it is signed.
const reordered = /[\u202a-\u202e\u2066-\u2069]/;

// genuine reports whether the attributes to sign are of what the request shows.
export async function genuine(req) {
  try {
    if (reordered.test(req.text)) return false;
    return equal(messageDigest(unb64u(req.attrs)), await sha256(utf8(content(req).signed)));
  } catch {
    return false;
  }
}
