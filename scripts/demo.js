// `npm run demo`: gets what is missing (system programs, packages), then runs examples/demo/main.ts on the Node that came
// with the packages, handing on arguments, signals and the exit code. Plain JavaScript for Node 18 and newer.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, chdir, env, execPath, exit, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { nodeRecent, runForwarding, runOn } from '../bin/runtime.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const toStderr = { stdio: ['ignore', 2, 2] };

/** What is installed differs from what the lock file says: a package is absent, or in another version. */
function packagesStale() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return true;
  const [wanted, present] = [join(root, 'package-lock.json'), installed].map(
    (path) => JSON.parse(readFileSync(path, 'utf8')).packages,
  );
  return Object.entries(wanted).some(([path, { version, optional }]) => {
    if (path === '' || (optional && present[path] === undefined)) return false;
    return present[path]?.version !== version;
  });
}

/** The npm that runs us, else the one on the path. */
function installPackages() {
  stderr.write('demo: npm ci (packages are missing or old)\n');
  const npm = env.npm_execpath;
  return npm?.endsWith('.js')
    ? runForwarding(execPath, [npm, 'ci'], toStderr)
    : runForwarding('npm', ['ci'], toStderr);
}

async function main() {
  chdir(root);
  const purpose = ['pipeline', 'forge'].find((play) => argv.slice(2).includes(play)) ?? 'demo';
  const ready = await runForwarding(execPath, [join('scripts', 'setup.js'), '--for', purpose], toStderr);
  if (ready !== 0) return ready;
  if (packagesStale()) {
    const installed = await installPackages();
    if (installed !== 0) return installed;
  }
  const node = nodeRecent(import.meta.url);
  if (node.path === undefined) {
    stderr.write(`demo: ${node.missing}\n`);
    return 3;
  }
  return runOn(node.path, join('examples', 'demo', 'main.ts'), argv.slice(2));
}

exit(await main());
