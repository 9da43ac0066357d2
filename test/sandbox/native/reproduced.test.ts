import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { builtNative, compileNative, nativeArchs } from './compile.ts';

it.runIf(process.arch === 'x64').each(nativeArchs)(
  'the program for %s is what the compiler makes of its source',
  (arch) => {
    const committed = readFileSync(builtNative(arch));
    expect(compileNative(arch).equals(committed)).toBe(true);
  },
);
