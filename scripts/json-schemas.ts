// The JSON Schemas of what commands print with --json are made from src/cli/json:
// `node scripts/run.js scripts/json-schemas.ts --write`. Without --write it prints them. With `--keep VERSION` it writes the members that a released
// version promises to test/vectors/json, once.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publishedSchemas } from '../src/cli/json/outputs.ts';
import { jsonMembers } from '../test/support/json-members.ts';

const folder = join(import.meta.dirname, '..', 'docs', 'schemas');
const files = publishedSchemas();
const version = process.argv[process.argv.indexOf('--keep') + 1];
if (process.argv.includes('--keep')) {
  const members = [...files].map(([name, text]) => [name, jsonMembers(JSON.parse(text))] as const);
  const kept = `${JSON.stringify(Object.fromEntries(members), null, 1)}\n`;
  writeFileSync(join(import.meta.dirname, '..', 'test', 'vectors', 'json', `${version}.json`), kept, {
    flag: 'wx',
  });
} else if (process.argv.includes('--write')) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (!files.has(name)) rmSync(join(folder, name));
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
} else for (const text of files.values()) process.stdout.write(text);
