// Judges what `npm run demo -- --json` printed: `node scripts/check-demo.js FILE`. Its last line is one JSON object: the
// artifact must be trusted, over exactly one dissenting receipt, and fetched. Exit 1 otherwise, saying what differs.
import { readFileSync } from 'node:fs';
import { argv, exit, stdout } from 'node:process';

function faults(path) {
  const last = readFileSync(path, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  let said;
  try {
    said = JSON.parse(last);
  } catch {
    return [`its last line is not JSON: ${last.slice(0, 200)}`];
  }
  const dissent = Array.isArray(said.dissent) ? said.dissent.length : said.dissent;
  const wanted = { level: 'trusted', dissent: 1, fetched: true };
  return Object.entries({ level: said.level, dissent, fetched: said.fetched }).flatMap(([key, value]) =>
    value === wanted[key] ? [] : [`${key} is ${JSON.stringify(value)}, not ${JSON.stringify(wanted[key])}`],
  );
}

const found = faults(argv[2]);
for (const fault of found) stdout.write(`demo: ${fault}\n`);
if (found.length === 0) stdout.write('demo: trusted, one dissent, fetched\n');
exit(found.length === 0 ? 0 : 1);
