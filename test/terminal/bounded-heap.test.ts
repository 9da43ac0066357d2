import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { programFolder, quietFlag } from '../support/program.ts';

const module = new URL('../../src/terminal/bounded-heap.ts', import.meta.url);
const bounded = (times: string) => `const { boundHeap } = await import('${module}'); boundHeap(${times});`;

/** Standard output of a process that runs `first`, makes `garbage` for a while, much of which survives some time, and then runs `last`. */
async function afterGarbage(first: string, last: string): Promise<string> {
  const script = `import { constants, PerformanceObserver } from 'node:perf_hooks';
import v8 from 'node:v8';
const youngMb = () => v8.getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space').space_size / 1e6;
const heapMb = () => v8.getHeapStatistics().total_heap_size / 1e6;
const turn = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
${first}
let kept = [];
const garbage = async () => {
  for (let n = 0; n < 600_000; n++) {
    kept[n % 20_000] = { n, list: [n] };
    if (n % 4_000 === 0) await turn(1);
  }
};
await garbage();
${last}`;
  const words = [quietFlag, '--input-type=module', '-e', script];
  return (await promisify(execFile)(process.execPath, words)).stdout;
}

/** Median, in MB, of the young generation while garbage is made: within one turn it may pass its bound. */
const medianYoungMb = async (first: string): Promise<number> => {
  const sampling = `const sizes = [];
setInterval(() => sizes.push(youngMb()), 5).unref();`;
  const median = 'console.log(sizes.sort((a, b) => a - b)[Math.floor(sizes.length / 2)])';
  return Number(await afterGarbage(`${first}\n${sampling}`, median));
};

describe('the heap of a process that goes on running', () => {
  it('keeps its young generation small while it starts, and bounded after that', async () => {
    const [starting, later, free] = await Promise.all(
      [bounded('{ startMs: 600_000 }'), bounded('{ startMs: 0 }'), ''].map(medianYoungMb),
    );
    expect(starting).toBeLessThan(3);
    expect(later).toBeGreaterThan(3);
    expect(later).toBeLessThan(20);
    expect(free).toBeGreaterThan(later ?? 0);
  });

  it('is given back at rest after a busy time', async () => {
    // Those that V8 makes at rest by itself have a flag.
    const rest = `let whole = 0;
new PerformanceObserver((list) => {
  for (const { detail: { kind, flags } } of list.getEntries())
    if (kind === constants.NODE_PERFORMANCE_GC_MAJOR && flags === constants.NODE_PERFORMANCE_GC_FLAGS_NO) whole += 1;
}).observe({ entryTypes: ['gc'] });
let busy = heapMb();
kept = [];
await turn(1_000);
// On a machine that is busy with something else a span may look like one of rest.
while (isAwaited && whole === 0) {
  await garbage();
  busy = heapMb();
  kept = [];
  for (let n = 0; n < 100 && whole === 0; n++) await turn(50);
}
console.log(JSON.stringify({ whole, given: busy - heapMb() }));`;
    const [bounding, kept] = await Promise.all(
      [
        [bounded('{ spanMs: 100 }'), 'true'],
        [bounded('{}'), 'false'],
      ].map(async ([first = '', isAwaited = '']) =>
        JSON.parse(await afterGarbage(first, `const isAwaited = ${isAwaited};\n${rest}`)),
      ),
    );
    expect(bounding.whole).toBeGreaterThan(0);
    expect(bounding.given).toBeGreaterThan(2);
    expect(kept.whole).toBe(0);
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
