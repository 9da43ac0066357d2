import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  allowedCalls,
  deniedCalls,
  ignoredCalls,
  inspectedCalls,
} from '../../../sandbox/seccomp/syscalls.ts';

/** The kernel's own header, where the compiler of this machine brings it; linux-libc-dev comes with libc6-dev. */
const header = readFileSync('/usr/include/asm-generic/unistd.h', 'utf8');

it('has the numbers of the generic table, which is that of aarch64', () => {
  const defined = new Map(
    [...header.matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm)].map(([, name = '', number]) => [
      name,
      Number(number),
    ]),
  );
  const renamed: Record<string, string> = { newfstatat: 'fstatat' };
  for (const { name, arm64 } of [...allowedCalls, ...deniedCalls, ...ignoredCalls, ...inspectedCalls]) {
    expect([name, arm64]).toEqual([name, defined.get(renamed[name] ?? name)]);
  }
});
