// page: puts the tables of runs between their markers in docs/performance.md: page.mjs PAGE FILE….
import { readFileSync, writeFileSync } from 'node:fs';

import { pagePart } from './table.mjs';

const [page, ...files] = process.argv.slice(2);
const results = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
const text = readFileSync(page, 'utf8');
const block = /(<!-- bench: begin [^\n]*-->\n)[^]*?(\n<!-- bench: end -->)/;
if (!block.test(text)) throw new Error(`${page} has no markers "bench: begin" and "bench: end"`);
writeFileSync(page, text.replace(block, (_, begin, end) => begin + results.map(pagePart).join('\n\n') + end));
