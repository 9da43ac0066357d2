// Before the tests: makes the programs that they run. What an earlier run made stays there, another one may be at it.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { programFolder } from './program.ts';

const script = join(import.meta.dirname, '..', '..', 'scripts', 'bundle.js');
const made = Symbol.for('quorate.tests.program');

export default function makeProgram(): void {
  if (made in globalThis) return;
  execFileSync(process.execPath, [script, programFolder], { timeout: 60_000, stdio: 'inherit' });
  Object.assign(globalThis, { [made]: true });
}
