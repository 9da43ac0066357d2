// The JSON Schemas of what commands print with --json are made from src/cli/json:
// `node scripts/run.js scripts/json-schemas.ts --write`. Without --write it prints them.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publishedSchemas } from '../src/cli/json/outputs.ts';

const folder = join(import.meta.dirname, '..', 'docs', 'schemas');
const files = publishedSchemas();
if (process.argv.includes('--write')) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (!files.has(name)) rmSync(join(folder, name));
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
} else for (const text of files.values()) process.stdout.write(text);
