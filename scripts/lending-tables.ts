// The tables of what an operator can set are made from src/core/lending-knobs.ts: `node scripts/lending-tables.ts --write`
// puts them into the pages. Without --write it prints these.
import { readFileSync, writeFileSync } from 'node:fs';
import { knobPages, withKnobs } from '../test/cli/knob-tables.ts';

for (const path of knobPages) {
  const page = new URL(`../${path}`, import.meta.url);
  const text = withKnobs(path, readFileSync(page, 'utf8'));
  if (process.argv.includes('--write')) writeFileSync(page, text);
  else process.stdout.write(text);
}
