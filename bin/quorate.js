#!/usr/bin/env node
// The entry of the `quorate` command. It runs on Node 18 and newer, so plain JavaScript only: on a Node too old for the
// product it hands over to the one that came with the packages, or says what is missing.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isNodeRecent, nodeRecent, runOn } from './runtime.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** TypeScript itself in a checkout; what was made of it in an installed package (Node strips no types there). */
function entry() {
  const source = join(root, 'src', 'cli', 'main.ts');
  if (!/[\\/]node_modules[\\/]/.test(root) && existsSync(source)) return source;
  const built = join(root, 'dist', 'program', 'quorate.js');
  return existsSync(built) ? built : undefined;
}

/** Node's own default is a well-known folder under /tmp, where another user could plant code: use one that is ours. */
function cacheCompiledCode() {
  if (typeof module.enableCompileCache !== 'function') return;
  try {
    const caches = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
    // With an empty HOME it would be made in the working folder; below /proc, Node tries for ever.
    if (!isAbsolute(caches) || /^\/proc(\/|$)/.test(caches)) return;
    const own = join(caches, 'quorate', 'compiled');
    module.enableCompileCache(process.env.NODE_COMPILE_CACHE || own);
  } catch {
    // No home folder: starts are slower, nothing else.
  }
}

/** The flag's effect for the process that already runs: Node 22 announces SQLite and type stripping on each start. */
function quietExperimentalWarnings() {
  const emit = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === 'object' ? rest[0]?.type : rest[0];
    if (type !== 'ExperimentalWarning') emit.call(process, warning, ...rest);
  };
}

const main = entry();
if (main === undefined) {
  process.stderr.write(`quorate: ${root} holds no program to run; run \`npm run build\` there\n`);
  process.exitCode = 3;
} else if (isNodeRecent(process.version)) {
  cacheCompiledCode();
  quietExperimentalWarnings();
  await import(pathToFileURL(main).href);
} else {
  const node = nodeRecent(import.meta.url);
  if (node.path === undefined) {
    process.stderr.write(`quorate: ${node.missing}\n`);
    process.exitCode = 3;
  } else {
    // The child is started on this very file, so that it gets the compile cache too.
    await runOn(node.path, fileURLToPath(import.meta.url), process.argv.slice(2));
  }
}
