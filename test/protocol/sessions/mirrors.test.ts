import { describe, expect, it } from 'vitest';
import { laterMs, mirrorsOf } from '../../../src/protocol/sessions/mirrors.ts';

const workers = Array.from({ length: 20 }, (_, n) => `worker${n}`);

describe('the mirrors of an artifact', () => {
  it('are two of its workers, whatever the order in which they are named', () => {
    const mirrors = mirrorsOf('artifact', workers);
    expect(mirrors).toHaveLength(2);
    expect(mirrorsOf('artifact', workers.toReversed())).toEqual(mirrors);
    expect(mirrorsOf('artifact', [...workers, ...workers])).toEqual(mirrors);
  });

  it('are the one that has the bundle already, and one more', () => {
    const [first = '', second] = mirrorsOf('artifact', workers);
    expect(mirrorsOf('artifact', workers, ['worker7'])).toEqual([
      'worker7',
      first === 'worker7' ? second : first,
    ]);
    expect(mirrorsOf('artifact', workers, [first])).toEqual([first, second]);
  });

  it('are others for other artifacts: each worker has its share', () => {
    const chosen = Array.from({ length: 1_000 }, (_, n) => mirrorsOf(`artifact ${n}`, workers)).flat();
    for (const worker of workers) {
      const share = chosen.filter((one) => one === worker).length;
      expect(share).toBeGreaterThan(50);
      expect(share).toBeLessThan(200);
    }
  });

  it('are all where there are no more', () => {
    expect(mirrorsOf('artifact', ['a'])).toEqual(['a']);
    expect(mirrorsOf('artifact', [])).toEqual([]);
  });

  it('are followed by the others after one to two minutes', () => {
    for (const worker of workers) {
      expect(laterMs('artifact', worker)).toBeGreaterThanOrEqual(60_000);
      expect(laterMs('artifact', worker)).toBeLessThan(120_000);
    }
  });
});
