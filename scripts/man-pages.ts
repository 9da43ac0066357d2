// The man pages in man/ are made from the commands themselves: `node scripts/run.js scripts/man-pages.ts --write`.
// Without --write it prints them.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shapesOf } from '../src/cli/command-shapes.ts';
import { manPages } from '../src/cli/man-pages.ts';
import { createProgram } from '../src/cli/program.ts';
import { version } from '../src/program.ts';

const folder = join(import.meta.dirname, '..', 'man');
const pages = manPages(shapesOf(createProgram(new AbortController().signal, () => {})), version());
if (process.argv.includes('--write')) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (!pages.has(name)) rmSync(join(folder, name));
  for (const [name, text] of pages) writeFileSync(join(folder, name), text);
} else for (const text of pages.values()) process.stdout.write(text);
