import { readFileSync } from 'node:fs';
import { requireTool } from '../host.ts';
import { type CpioEntry, cpio } from './cpio.ts';
import { guestFiles } from './guest.ts';
import { withLibraries } from './host-programs.ts';
import { type GuestKernel, kernelModules } from './kernel.ts';

/** The guest's initramfs, made from the host's programs. The same bytes for the same packages. @throws SANDBOX_UNAVAILABLE */
export function initramfs(kernel: GuestKernel): Buffer {
  const programs = withLibraries(['bwrap', 'setpriv']).map(({ path, from }) => file(path.slice(1), from));
  const entries = [
    ...guestFiles,
    file('bin/busybox', requireTool('busybox')),
    ...programs.flatMap((entry) => [...foldersOf(entry.name), entry]),
    ...kernelModules(kernel),
  ];
  const once = new Map(entries.map((entry) => [entry.name, entry]));
  return cpio([...once.values()]);
}

const file = (name: string, from: string): CpioEntry => ({
  name,
  content: readFileSync(from),
  executable: true,
});

function foldersOf(path: string): CpioEntry[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, n) => ({ name: names.slice(0, n + 1).join('/') }));
}
