/**
 * Golden vectors: `node test/vectors/generate.ts` compares them with what the code makes now and changes nothing;
 * `--write` puts the new ones in place. A vector that changed means that documents already signed out there would now be
 * read otherwise, so its commit has to say why.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Controller } from '../../src/controller/machine/machine.ts';
import { messageKinds } from '../../src/protocol/documents/index.ts';
import { bundleVectors, jobVectors } from './blocks.ts';
import { encodeGolden, writeGoldenJournal } from './journal.ts';
import { messageVectors } from './messages.ts';
import { statementVectors } from './statements.ts';
import type { Vector } from './vector.ts';

const folder = import.meta.dirname;

/** Files by path, each a JSON array of vectors. */
export async function generate(): Promise<Map<string, string>> {
  const all: Vector[] = [
    ...(await Promise.all(messageKinds.map(messageVectors))).flat(),
    ...(await statementVectors('receipt')),
    ...(await statementVectors('verdict')),
    ...jobVectors(),
    ...(await bundleVectors()),
  ];
  const files = new Map<string, Vector[]>();
  for (const vector of all) {
    const file = join(vector.kind, vector.expect === 'ok' ? 'valid.json' : 'invalid.json');
    files.set(file, [...(files.get(file) ?? []), vector]);
  }
  const journal = join('journal', `controller-rules-${Controller.rules}.json`);
  return new Map([
    ...[...files].map(([file, vectors]): [string, string] => [file, `${JSON.stringify(vectors, null, 1)}\n`]),
    [journal, encodeGolden(await writeGoldenJournal())],
  ]);
}

/** Files whose content is not what the code makes now. */
export async function differences(files: ReadonlyMap<string, string>): Promise<string[]> {
  const differing: string[] = [];
  for (const [file, text] of files) {
    const there = await readFile(join(folder, file), 'utf8').catch(() => '');
    if (there !== text) differing.push(file);
  }
  return differing;
}

if (import.meta.main) {
  const files = await generate();
  const differing = await differences(files);
  if (process.argv.includes('--write')) {
    for (const file of differing) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), files.get(file) ?? '');
    }
    console.log(`wrote ${differing.length} of ${files.size} files`);
  } else if (differing.length > 0) {
    console.error(
      `these vectors differ from what the code makes now: ${differing.join(', ')}\nrun again with --write to replace them, and say why in the commit`,
    );
    process.exitCode = 1;
  } else {
    console.log(`${files.size} files, all as the code makes them`);
  }
}
