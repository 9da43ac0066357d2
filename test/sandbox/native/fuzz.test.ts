import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { joinArchives } from '../../../sandbox/archive.ts';
import { jobMessage, workEntries } from '../../../sandbox/run/driver.ts';
import { profileValues } from '../../../sandbox/run/profile.ts';
import { tarOf } from '../support.ts';
import { end, extended, file, header, runProgram, summed } from './support.ts';

/** Inputs of each target. More of them: FUZZ_RUNS. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 150);
const BLOCK = 512;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync('/var/tmp/quorate-native-fuzz-');
  const source = join(import.meta.dirname, '../../../sandbox/native/source');
  const flags = [
    '-std=gnu2x',
    '-g',
    '-O1',
    '-fno-builtin',
    '-fsanitize=address,undefined',
    '-fno-sanitize-recover=all',
  ];
  const own = ['-Dmemcpy=own_memcpy', '-Dmemset=own_memset', '-I', source];
  const compile = (name: string, ...more: string[]) =>
    execFileSync('gcc', [
      ...flags,
      ...own,
      ...more,
      '-o',
      join(folder, name),
      join(import.meta.dirname, 'harness.c'),
      ...['sys.c', 'privileges.c'].map((file) => join(source, file)),
    ]);
  compile('unpack');
  compile('job', '-DREADS_JOB');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a target in a new folder. Whatever it is fed it ends by itself, with a code of its own and no finding of a sanitizer. */
function takes(name: string, input: Uint8Array): number {
  const at = mkdtempSync(join(folder, 'run-'));
  const ran = runProgram(join(folder, name), [], input, at);
  rmSync(at, { recursive: true, force: true });
  expect(ran.signal, ran.said).toBe(null);
  expect(ran.said).not.toMatch(/Sanitizer|runtime error/);
  expect([0, 2, 3, 4, 125]).toContain(ran.code);
  return ran.code ?? -1;
}

/** Bytes changed, cut out, doubled and put elsewhere; in a tar, sums of headers made right again in half of the cases. */
const changed = (seeds: readonly Buffer[], isTar: boolean): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 5 })), {
        maxLength: 12,
      }),
      fc.boolean(),
    )
    .map(([seed, changes, sums]) => {
      let bytes = Buffer.from(seed);
      for (const [where, value, how] of changes) {
        const at = bytes.length === 0 ? 0 : where % bytes.length;
        if (how === 0) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + value)]);
        else if (how === 1)
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - value))]);
        else if (how === 2) bytes.fill(value, at, Math.min(bytes.length, at + 12));
        else if (how === 3 && value < 60) bytes = bytes.subarray(0, at);
        else if (bytes.length > 0) bytes[at] = value;
      }
      for (let at = 0; isTar && sums && at + BLOCK <= bytes.length; at += BLOCK)
        if (bytes.toString('latin1', at + 257, at + 262) === 'ustar') summed(bytes.subarray(at, at + BLOCK));
      return bytes;
    });

it('the unpacker of source and inputs takes or refuses any bytes', async () => {
  const seeds = [
    await buffer(
      joinArchives(
        [
          {
            folder: 'src',
            tar: tarOf([
              { name: 'a/b/c', content: 'x'.repeat(3000) },
              { name: 'l', type: 'symlink', linkname: 'a' },
              { name: 'h', type: 'link', linkname: 'a/b/c' },
              { name: `${'n'.repeat(200)}/${'n'.repeat(100)}`, content: 'y' },
            ]),
          },
        ],
        workEntries(profileValues, false),
      ),
    ),
    Buffer.concat([
      extended({ path: 'p/q', linkpath: 'x', size: '3', mtime: '1' }),
      file('a', 'abc'),
      header({ name: 'd', type: '5', prefix: 'p' }),
      end,
    ]),
  ];
  for (const seed of seeds) expect(takes('unpack', seed)).toBe(0);
  fc.assert(
    fc.property(
      fc.oneof(changed(seeds, true), fc.uint8Array({ maxLength: 2000 })),
      (input) => void takes('unpack', input),
    ),
    { numRuns: RUNS },
  );
});

it('the reader of the job takes or refuses any bytes', () => {
  const seeds = [
    jobMessage({
      run: ['true', { run: 'x', name: 'n', shell: 'bash', allowFailure: true }],
      env: { A: 'b' },
      outputs: ['.'],
      stepMarks: true,
      failedOutputs: true,
    }),
    jobMessage({ run: [], env: {}, outputs: ['a', 'b/c'] }),
  ];
  for (const seed of seeds) expect(takes('job', seed)).toBe(0);
  fc.assert(
    fc.property(
      fc.oneof(changed(seeds, false), fc.uint8Array({ maxLength: 2000 })),
      (input) => void takes('job', input),
    ),
    { numRuns: RUNS },
  );
});
