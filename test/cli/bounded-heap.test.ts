import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { programFolder, quietFlag } from '../support/program.ts';

const module = new URL('../../src/cli/bounded-heap.ts', import.meta.url);

/** Megabytes of the young generation of a process that makes garbage, much of which survives a while. */
async function youngMb(first: string): Promise<number> {
  const script = `import v8 from 'node:v8';
${first}
const kept = [];
for (let n = 0; n < 600_000; n++) kept[n % 20_000] = { n, list: [n] };
const young = v8.getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
console.log(young.space_size / 1e6);`;
  const words = [quietFlag, '--input-type=module', '-e', script];
  return Number((await promisify(execFile)(process.execPath, words)).stdout);
}

describe('the heap of a process that goes on running', () => {
  it('keeps its young generation small', async () => {
    const bounded = await youngMb(`const { boundHeap } = await import('${module}'); boundHeap();`);
    expect(bounded).toBeLessThan((await youngMb('')) / 2);
  });

  it('holds the program in one byte a character', async () => {
    // The folder has programs of before as well.
    const names = new Set(['quorate.js']);
    for (const name of names) {
      const text = await readFile(join(programFolder, name), 'utf8');
      expect(text.match(/[^\0-\xff]/u), name).toBeNull();
      for (const [, part = ''] of text.matchAll(/"\.\/([\w-]+\.js)"/g)) names.add(part);
    }
    expect(names.size).toBeGreaterThan(10);
  });
});
