import { describe, expect, it } from 'vitest';
import { Patience } from '../../examples/demo/patience.ts';

/** A wait of ten seconds at a clock that the test moves, on a machine so many times as slow as an idle one. */
function waitAt(slowness = 1) {
  let now = 0;
  const patience = new Patience({ now: () => now, slowness: () => slowness });
  const check = patience.wait(10, 'a verdict');
  const at = (seconds: number) => {
    now = seconds * 1000;
    return check;
  };
  return { at, moved: () => patience.moved() };
}

describe('a wait of the demo', () => {
  it('is given up where nothing moves for as long', () => {
    const { at } = waitAt();
    expect(at(10)).not.toThrow();
    expect(at(11)).toThrow(
      expect.objectContaining({
        code: 'DEMO_TIMEOUT',
        message: 'waited 11 s for a verdict, and nothing moved for 10 s',
      }),
    );
  });

  it('goes on while something moves, up to a bound', () => {
    const { at, moved } = waitAt();
    for (let second = 5; second <= 200; second += 5) {
      expect(at(second)).not.toThrow();
      moved();
    }
    expect(at(201)).toThrow(expect.objectContaining({ message: 'waited 201 s for a verdict' }));
  });

  it('takes as many times longer as the machine is slow', () => {
    const { at } = waitAt(15);
    expect(at(150)).not.toThrow();
    expect(at(151)).toThrow(expect.objectContaining({ code: 'DEMO_TIMEOUT' }));
  });

  it('of a promise ends with it, and fails with it', async () => {
    const patience = new Patience();
    expect(await patience.within(Promise.resolve(1), 1, 'it')).toBe(1);
    await expect(patience.within(Promise.reject(new Error('no')), 1, 'it')).rejects.toThrow('no');
  });
});
