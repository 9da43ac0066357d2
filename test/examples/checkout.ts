import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const needed = [
  'src',
  'sandbox',
  'bootstrap',
  'bin',
  'scripts',
  'docs',
  'package.json',
  'tsconfig.base.json',
];

/** Of this checkout, in a folder that is not there yet: what is packed, and what makes it; its programs are made. */
export function copyCheckout(copy: string): void {
  for (const name of [...needed, ...readdirSync(root).filter((name) => name.startsWith('LICENSE'))])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  execFileSync(process.execPath, [join('scripts', 'bundle.js')], { cwd: copy, timeout: 240_000 });
}
