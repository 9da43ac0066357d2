import { expect, it, vi } from 'vitest';
import { packetsOf } from '../../../src/source/fetch-pack.ts';

/** As long as a packet may be. */
const longest = Buffer.concat([Buffer.from((65_520).toString(16)), Buffer.alloc(65_516, 1)]);

it('a server that sends its packets byte by byte makes the worker copy each byte no more often than twice', async () => {
  let copied = 0;
  const concat = vi.spyOn(Buffer, 'concat').mockImplementation((list) => {
    const whole = Buffer.from(list.flatMap((part) => [...part]));
    copied += whole.length;
    return whole;
  });
  try {
    const stream = async function* () {
      for (const byte of longest) yield Buffer.from([byte]);
    };
    const lengths: (number | string)[] = [];
    for await (const one of packetsOf(stream())) lengths.push(Buffer.isBuffer(one) ? one.length : one);
    expect(lengths).toEqual([65_516]);
    expect(copied).toBeLessThanOrEqual(2 * longest.length);
  } finally {
    concat.mockRestore();
  }
});
