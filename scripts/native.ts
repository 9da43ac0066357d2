// The native program of sandboxes is made from sandbox/native/source: `node scripts/run.js scripts/native.ts --write`. Without
// --write it says whether the committed programs are what the compiler makes of it. Same compiler, same bytes: of Debian 13,
// `apt-get install gcc-14 gcc-14-aarch64-linux-gnu`.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { builtNative, compileNative, nativeArchs } from '../test/sandbox/native/compile.ts';

let same = true;
for (const arch of nativeArchs) {
  const made = compileNative(arch);
  const path = builtNative(arch);
  if (process.argv.includes('--write')) {
    // Not into a program that may be running.
    writeFileSync(`${path}.new`, made, { mode: 0o755 });
    renameSync(`${path}.new`, path);
  } else {
    const equal = made.equals(readFileSync(path));
    process.stdout.write(`${arch}: ${equal ? 'the same' : 'differs'}\n`);
    same &&= equal;
  }
}
if (!same) process.exitCode = 1;
