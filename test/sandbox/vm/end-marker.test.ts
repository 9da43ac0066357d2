import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { UntilMarker } from '../../../sandbox/vm/boot.ts';

const mark = Buffer.from('aab');

it('however it is cut into pieces, what comes before the mark comes out', async () => {
  const letters = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }).map((list) => list.join(''));
  await fc.assert(
    fc.asyncProperty(letters, letters, fc.array(fc.nat(30)), async (before, after, cuts) => {
      const whole = `${before}aab${after}`;
      const edges = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length];
      const pieces = edges.slice(1).map((edge, n) => Buffer.from(whole.slice(edges[n], edge)));
      let reached = 0;
      const stream = Readable.from(pieces.filter(({ length }) => length > 0)).pipe(
        new UntilMarker(mark, () => reached++),
      );
      expect((await buffer(stream)).toString()).toBe(whole.slice(0, whole.indexOf('aab')));
      expect(reached).toBe(1);
    }),
  );
});

it('bytes that are no part of a mark are not held back, and none is lost without a mark', async () => {
  let reached = 0;
  const stream = new UntilMarker(mark, () => reached++);
  stream.write('hello\n');
  await sleep(1);
  expect(stream.read().toString()).toBe('hello\n');
  stream.end('and aa');
  expect((await buffer(stream)).toString()).toBe('and aa');
  expect(reached).toBe(0);
});

it('a stream that ends without its required mark fails', async () => {
  const stream = new UntilMarker(mark, () => {}, 'cut short');
  stream.end('half');
  await expect(buffer(stream)).rejects.toThrow('cut short');
});
