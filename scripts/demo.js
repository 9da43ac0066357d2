// `npm run demo`: gets what is missing (system programs, packages), then runs examples/demo/main.ts on the Node that came
// with the packages, handing on arguments, signals and the exit code. Plain JavaScript for Node 18 and newer.
import { join } from 'node:path';
import { argv, chdir, execPath, exit, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { nodeRecent, runForwarding, runOn } from '../bin/runtime.js';
import { bringPackages } from './packages.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const toStderr = { stdio: ['ignore', 2, 2] };

async function main() {
  chdir(root);
  const purpose = ['pipeline', 'forge'].find((play) => argv.slice(2).includes(play)) ?? 'demo';
  const setUp = [join('scripts', 'setup.js'), '--for', purpose];
  const ready = argv.includes('--help') ? 0 : await runForwarding(execPath, setUp, toStderr);
  if (ready !== 0) return ready;
  const installed = await bringPackages('demo');
  if (installed !== 0) return installed;
  const node = nodeRecent(import.meta.url);
  if (node.path === undefined) {
    stderr.write(`demo: ${node.missing}\n`);
    return 3;
  }
  return runOn(node.path, join('examples', 'demo', 'main.ts'), argv.slice(2));
}

exit(await main());
