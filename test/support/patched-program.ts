import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';

const root = join(import.meta.dirname, '..', '..');
/** Plain JavaScript, without types. */
const script = pathToFileURL(join(root, 'scripts', 'bundle.js')).href;

/** By file of the sources: what is replaced there, once, and by what. */
export type Patches = Readonly<Record<string, readonly (readonly [from: string, to: string])[]>>;

/** A later version of the program, made from these sources with a few changes: returns the file to run. */
export async function patchedProgram(folder: string, patches: Patches): Promise<string> {
  const changed = new Map(
    Object.entries(patches).map(([file, edits]) => [join(root, file), edit(file, edits)] as const),
  );
  const later: Plugin = {
    name: 'a later version',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = changed.get(path);
        return contents === undefined ? undefined : { contents, loader: 'ts' };
      });
    },
  };
  const { bundle } = (await import(script)) as { bundle(to: string, more: Plugin[]): Promise<void> };
  await bundle(folder, [later]);
  return join(folder, 'quorate.js');
}

function edit(file: string, edits: Patches[string]): string {
  let text = readFileSync(join(root, file), 'utf8');
  for (const [from, to] of edits ?? []) {
    if (text.split(from).length !== 2) throw new Error(`${file} holds this not exactly once: ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}
