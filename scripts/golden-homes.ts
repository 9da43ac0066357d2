// Writes homes of all kinds of node as this version leaves them, with what it reads in them, where no earlier ones are of the same formats:
// `node scripts/run.js scripts/golden-homes.ts [FOLDER]`. It runs a project on this machine, with builds in sandboxes.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { endAll } from '../test/e2e/support/processes.ts';
import { contentOf } from '../test/homes/content.ts';
import { formatsOf } from '../test/homes/formats.ts';
import { addGolden, goldenFolder } from '../test/homes/golden.ts';
import { makeHomes } from '../test/homes/make.ts';

async function main([folder = goldenFolder]: string[]): Promise<void> {
  const copy = await mkdtemp(join(tmpdir(), 'quorate-homes-'));
  try {
    const left = await makeHomes();
    // To read them may change them.
    await cp(left, copy, { recursive: true });
    const golden = { formats: formatsOf(left), content: await contentOf(copy) };
    const n = await addGolden(left, golden, resolve(folder));
    process.stderr.write(n === undefined ? 'Nothing is new in these formats.\n' : `${folder}/${n}.tar.zst\n`);
  } finally {
    await endAll();
    await rm(copy, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
