// Keeps docs/errors.md and the code in step: `node scripts/error-codes.ts` says what differs, with `--write` it adds a row
// for each new code, with the message as a first draft for a person to improve, and drops rows of codes that are gone.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codesIn, documentedCodes, errorsPage } from '../test/tidy/house/error-codes.ts';
import { houseFiles, root } from '../test/tidy/house/source.ts';

const intro = `# Errors

Every error has a code that stays the same from version to version, a message that says what was wrong with which input,
and most have a hint that says what to do. Programs should look at the code only.

| Code | What it means, and what to do |
|---|---|
`;

const page = join(root, errorsPage);
const text = existsSync(page) ? readFileSync(page, 'utf8') : intro;
const head = text.slice(0, text.indexOf('|---|---|\n') + '|---|---|\n'.length);
const documented = documentedCodes(text);
const raised = new Map<string, string>();
for (const { code, message } of houseFiles().flatMap(codesIn)) {
  const longest = raised.get(code) ?? '';
  raised.set(code, message.length > longest.length ? message : longest);
}

for (const code of raised.keys()) if (!documented.has(code)) console.log(`new:  ${code}`);
for (const code of documented.keys()) if (!raised.has(code)) console.log(`gone: ${code}`);
if (process.argv.includes('--write')) {
  const rows = [...raised]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, message]) => [code, documented.get(code)?.meaning ?? message.replaceAll('|', '\\|')])
    .map(([code, meaning]) => `| \`${code}\` | ${meaning} |\n`);
  writeFileSync(page, head + rows.join(''));
}
