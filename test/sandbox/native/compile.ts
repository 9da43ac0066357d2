import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../sandbox/native', import.meta.url));

/** The compiler of each program, and what its processor needs besides. */
const compilers = {
  x64: { name: 'gcc-14', flags: ['-fcf-protection=none'] },
  arm64: { name: 'aarch64-linux-gnu-gcc-14', flags: ['-mno-outline-atomics'] },
} as const;

export type NativeArch = keyof typeof compilers;
export const nativeArchs = Object.keys(compilers) as NativeArch[];

/** No libc, nothing of the compiler's own time, folder or version in the program, and warnings are errors. */
const flags = [
  ...['-std=c2x', '-Os', '-ffreestanding', '-fno-builtin', '-nostdlib', '-static', '-no-pie', '-fno-pie'],
  ...['-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables', '-fno-ident'],
  ...[
    '-fno-tree-loop-distribute-patterns',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-Wconversion',
    '-Wno-sign-conversion',
  ],
  ...['-Wl,--build-id=none', '-Wl,-z,noexecstack', '-Wl,-z,noseparate-code', '-Wl,-z,norelro', '-s'],
];

/** Path of the committed program. */
export const builtNative = (arch: NativeArch): string => join(folder, 'built', `native-${arch}`);

/** Compiles the program for a processor. Throws without the compiler, or with what it says. */
export function compileNative(arch: NativeArch, compiler: string = compilers[arch].name): Buffer {
  const source = join(folder, 'source');
  const files = readdirSync(source).filter((name) => name.endsWith('.c'));
  const scratch = mkdtempSync(join(tmpdir(), 'quorate-native-'));
  try {
    const out = join(scratch, 'native');
    const words = [...flags, ...compilers[arch].flags, '-o', out, ...files.sort()];
    execFileSync(compiler, words, { cwd: source, stdio: ['ignore', 'inherit', 'inherit'] });
    return readFileSync(out);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
