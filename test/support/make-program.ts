// Before the tests: makes the programs that they run. They are made beside those of an earlier run and put in their places one
// by one, since another run may be at those; and no file is written into, since the folder may be shared by hard links.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { programFolder } from './program.ts';

const script = join(import.meta.dirname, '..', '..', 'scripts', 'bundle.js');
/** Of files that the programs read and execute. */
const folders = ['static', 'built'];
const made = Symbol.for('quorate.tests.program');

export default function makeProgram(): void {
  if (made in globalThis) return;
  mkdirSync(programFolder, { recursive: true });
  const beside = mkdtempSync(`${programFolder}-`);
  try {
    execFileSync(process.execPath, [script, beside], { timeout: 300_000, stdio: 'inherit' });
    // The programs come last: what they import has a hash in its name, and does not replace anything.
    const isPart = (name: string) => /-[A-Z0-9]{8}\.js$/.test(name);
    const names = readdirSync(beside).sort((a, b) => Number(isPart(b)) - Number(isPart(a)));
    for (const name of names.filter((one) => !folders.includes(one)))
      renameSync(join(beside, name), join(programFolder, name));
    for (const folder of folders) {
      mkdirSync(join(programFolder, folder), { recursive: true });
      for (const name of readdirSync(join(beside, folder)))
        renameSync(join(beside, folder, name), join(programFolder, folder, name));
    }
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  Object.assign(globalThis, { [made]: true });
}
