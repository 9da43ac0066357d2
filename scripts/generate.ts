// Makes man pages, JSON Schemas, OpenAPI and the pages of error codes and keys in dist/, from the code; `npm run build` does.
// `node scripts/run.js scripts/generate.ts --write` makes the schemas and tables that are committed in docs/ instead, and
// `--keep VERSION` writes the members of --json that a released version promises to test/vectors/json, once.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { publishedSchemas } from '../src/cli/json/outputs.ts';
import { builtFiles, committedFiles } from '../test/support/generated.ts';
import { jsonMembers } from '../test/support/json-members.ts';

const root = join(import.meta.dirname, '..');
const [what, released] = process.argv.slice(2);
if (what === '--keep') {
  const members = [...publishedSchemas()].map(
    ([name, text]) => [name, jsonMembers(JSON.parse(text))] as const,
  );
  const kept = `${JSON.stringify(Object.fromEntries(members), null, 1)}\n`;
  writeFileSync(join(root, 'test/vectors/json', `${released}.json`), kept, { flag: 'wx' });
} else {
  // A package has all that is in these folders: nothing of an earlier build may stay.
  if (what === undefined)
    for (const folder of ['dist/docs', 'dist/man'])
      rmSync(join(root, folder), { recursive: true, force: true });
  for (const [path, text] of what === '--write' ? committedFiles() : builtFiles()) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
