// Whether the packages are those of the lock file, and `npm ci` where they are not. As a program (`npm run check` begins with it)
// it brings them, and removes what tsc remembers of older ones: tsc looks at no package again whose importers did not change.
// Plain JavaScript for Node 18 and newer.
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { argv, chdir, env, execPath, exit, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { runForwarding } from '../bin/runtime.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const installed = join(root, 'node_modules', '.package-lock.json');
const toStderr = { stdio: ['ignore', 2, 2] };

/** Whether the installed packages differ from the lock file: a package is absent, or in another version. */
function packagesStale() {
  if (!existsSync(installed)) return true;
  const [wanted, present] = [join(root, 'package-lock.json'), installed].map(
    (path) => JSON.parse(readFileSync(path, 'utf8')).packages,
  );
  return Object.entries(wanted).some(([path, { version, optional }]) => {
    if (path === '' || (optional && present[path] === undefined)) return false;
    return present[path]?.version !== version;
  });
}

/** Installs packages that are missing or old, with the npm that runs us, else the one on the path. `who` begins the message. Exit code. */
export async function bringPackages(who) {
  if (!packagesStale()) return 0;
  stderr.write(`${who}: npm ci (packages are missing or old)\n`);
  const npm = env.npm_execpath;
  return npm?.endsWith('.js')
    ? runForwarding(execPath, [npm, 'ci'], toStderr)
    : runForwarding('npm', ['ci'], toStderr);
}

function forgetOlderBuilds() {
  const dist = join(root, 'dist');
  const builds = existsSync(dist) ? readdirSync(dist).filter((name) => name.endsWith('.tsbuildinfo')) : [];
  const since = statSync(installed).mtimeMs;
  for (const name of builds) if (statSync(join(dist, name)).mtimeMs < since) rmSync(join(dist, name));
}

async function main() {
  chdir(root);
  const code = await bringPackages('check');
  if (code === 0) forgetOlderBuilds();
  return code;
}

if (realpathSync(argv[1]) === fileURLToPath(import.meta.url)) exit(await main());
