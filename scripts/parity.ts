// The table of what every sandbox tier must do is made from the suite that each of them runs: `node scripts/parity.ts
// --write` puts it into docs/sandbox.md. Without --write it prints it.
import { readFileSync, writeFileSync } from 'node:fs';
import { parityTable, withParity } from '../test/sandbox/parity.ts';

const page = new URL('../docs/sandbox.md', import.meta.url);
if (process.argv.includes('--write')) writeFileSync(page, withParity(readFileSync(page, 'utf8')));
else process.stdout.write(`${parityTable()}\n`);
