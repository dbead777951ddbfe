// readme: puts the tables of runs between their markers in README.md: readme.mjs README.md FILE….
import { readFileSync, writeFileSync } from 'node:fs';

import { readmePart } from './table.mjs';

const [readme, ...files] = process.argv.slice(2);
const results = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
const text = readFileSync(readme, 'utf8');
const block = /(<!-- bench: begin [^\n]*-->\n)[^]*?(\n<!-- bench: end -->)/;
if (!block.test(text)) throw new Error(`${readme} has no markers "bench: begin" and "bench: end"`);
writeFileSync(readme, text.replace(block, (_, begin, end) => begin + results.map(readmePart).join('\n\n') + end));
