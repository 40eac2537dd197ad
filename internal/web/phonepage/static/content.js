// What a request shows, and what is signed.

import { equal, sha256, unb64u, utf8 } from './bytes.js';
import { messageDigest } from './der.js';
import { refusal } from './visible.js';

const TXN_APPROVAL = 'application/vnd.mobileid.txn-approval';

// content parses the text of a request: {text}, or {title, rows} of a transaction
// approval. `signed` is the input of the digest. It throws if the text has another form.
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
    // The service replaces half a surrogate pair with U+FFFD. Members stay in the order
    // of the request.
    return Object.fromEntries(members.map(([k, v]) => [k, v.toWellFormed()]));
  });
  const signed = JSON.stringify({ format_version: 1, content_string: JSON.stringify(rows) });
  return { title: type, rows, signed };
}

// visible reports whether a person can see every character that a request shows.
function visible(req) {
  const { text, title, rows } = req.op === 'display' ? { text: req.text } : content(req);
  const texts = rows ? [title, ...rows.flatMap((r) => [r.key, r.value])] : [text];
  return texts.every((s) => refusal(s) === null);
}

// genuine reports whether a request shows what would be signed, and nothing unseen.
export async function genuine(req) {
  try {
    if (!visible(req)) return false;
    return req.op === 'display' || equal(messageDigest(unb64u(req.attrs)), await sha256(utf8(content(req).signed)));
  } catch {
    return false;
  }
}
