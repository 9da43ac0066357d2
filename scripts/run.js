// Runs a tool of the packages, or a program of this repository, on a recent Node: `node scripts/run.js vitest run`,
// `node scripts/run.js simulations/main.ts --seeds 10`. Which Node npm's own scripts find depends on the npm (9.2 links
// none of a package that exists for several processors), so they all begin here. Plain JavaScript for Node 18 and newer.
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { argv, exit, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { nodeRecent, runOn } from '../bin/runtime.js';

const root = fileURLToPath(new URL('..', import.meta.url));

function main([what, ...args]) {
  if (what === undefined) {
    stderr.write('usage: node scripts/run.js TOOL|FILE [ARGUMENT...]\n');
    return 2;
  }
  const node = nodeRecent(import.meta.url);
  if (node.path === undefined) {
    stderr.write(`run: ${node.missing}\n`);
    return 3;
  }
  const isFile = /\.(ts|js)$/.test(what);
  const path = isFile ? what : join(root, 'node_modules', '.bin', what);
  if (!existsSync(path)) {
    stderr.write(`run: there is no ${path}${isFile ? '' : '; npm ci brings the tools'}\n`);
    return 3;
  }
  return runOn(node.path, realpathSync(path), args);
}

exit(await main(argv.slice(2)));
