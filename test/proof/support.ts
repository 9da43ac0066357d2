import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeBundle, type Outcome } from '../../src/protocol/documents/index.ts';
import { fingerprintOf } from '../../src/store/fingerprint.ts';
import { scratch } from '../e2e/support/processes.ts';
import { makeProject, type Project, type Recipe, type Run } from '../support/project.ts';

/** Gone when the test file is over. */
export { scratch };

const contents: [path: string, text: string][] = [
  ['bin/app', '#!/bin/sh\necho app\n'],
  ['share/a note.txt', 'read me\n'],
  // A careless tool would take it for a pattern, or worse.
  ['share/[odd] *?.txt', 'odd\n'],
  ['__proto__', 'plain\n'],
  ['version', '1.0.0\n'],
];

export interface Real extends Project {
  dir: string;
  /** The artifact as it would be fetched: real files whose tree the verdict is about. */
  tool: string;
  /** File with the bundle. */
  bundleFile: string;
  cid: string;
  rootBlock: Uint8Array;
}

/**
 * A project whose workers built files that are there; `more` of them than usual. Those below `bin` are executable. A run of the recipe that
 * does not say what it built built them.
 */
export async function realProject(
  recipe: Recipe = {},
  more: readonly [path: string, text: string][] = [],
): Promise<Real> {
  const dir = await scratch();
  const tool = join(dir, 'tool');
  const files: { path: string; sha256: string }[] = [];
  for (const [path, text] of [...contents, ...more]) {
    await mkdir(dirname(join(tool, path)), { recursive: true });
    await writeFile(join(tool, path), text);
    if (path.startsWith('bin/')) await chmod(join(tool, path), 0o755);
    files.push({ path, sha256: createHash('sha256').update(text).digest('hex') });
  }
  const held = await fingerprintOf(tool);
  if (held.kind !== 'tree') throw new Error('a folder is a tree');
  const outcome: Outcome = { kind: 'exit', code: 0, artifact: held.cid };
  const runs: Run[] = recipe.runs ?? ['ada', 'bob', 'cyd'].map((operator) => ({ operator }));
  const made = await makeProject({
    own: { operator: 'owner', outcome },
    files,
    ...recipe,
    runs: runs.map((run) => (run.builds === undefined ? { outcome, ...run } : run)),
  });
  const bundleFile = join(dir, 'tool.bundle');
  await writeFile(bundleFile, encodeBundle(made.bundle));
  return { ...made, dir, tool, bundleFile, cid: held.cid, rootBlock: held.rootBlock };
}

/** Puts one byte more at the end. */
export async function tamper(file: string): Promise<void> {
  await writeFile(file, Buffer.concat([await readFile(file), Buffer.from('\n')]));
}
