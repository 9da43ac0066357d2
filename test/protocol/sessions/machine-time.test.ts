import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { sessionTimes } from '../../../src/protocol/sessions/limits.ts';
import { MachineTime } from '../../../src/protocol/sessions/machine-time.ts';

const start = 1_790_000_000_000;
const dayMs = 24 * 3600_000;
const skewMs = limits.clockSkewSeconds * 1000;

/** A host whose two clocks are set by hand. */
class Host {
  wall = start;
  steady = 5_000;

  readonly now = () => this.wall;
  readonly monotonic = () => this.steady;

  /** Both clocks run. */
  pass(ms: number): void {
    this.wall += ms;
    this.steady += ms;
  }
}

describe('the time of a machine', () => {
  it('starts at the wall clock and runs with it', () => {
    const host = new Host();
    const time = new MachineTime(host);
    host.pass(1_500);
    expect(time.now()).toBe(start + 1_500);
  });

  it.each([-50_000, 50_000])(
    'does not step when the wall clock is set by %i ms, and follows it slowly',
    (by) => {
      const host = new Host();
      const time = new MachineTime(host);
      host.wall += by;
      expect(time.now()).toBe(start);
      host.pass(10_000);
      expect(time.now()).toBe(start + 10_000 + Math.sign(by) * 1_000);
      for (let n = 0; n < 60; n++) {
        host.pass(10_000);
        time.now();
      }
      expect(time.now()).toBe(host.wall);
    },
  );

  it('never goes back', () => {
    const host = new Host();
    const time = new MachineTime(host);
    time.follow(start + skewMs / 2);
    expect(time.now()).toBe(start + skewMs / 2);
    let before = 0;
    for (let n = 0; n < 100; n++) {
      host.pass(1_000);
      if (n % 7 === 0) host.wall -= 500;
      const now = time.now();
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
  });

  it.each([-365 * dayMs, 2 * dayMs, 365 * dayMs])(
    'goes on as if nothing was where the wall clock is %i ms off for a moment',
    (by) => {
      const host = new Host();
      const time = new MachineTime(host);
      host.wall += by;
      expect(time.now()).toBe(start);
      host.pass(2_000);
      expect(time.now()).toBe(start + 2_000);
      host.wall -= by;
      host.pass(20_000);
      expect(time.now()).toBe(start + 22_000);
    },
  );

  it.each([
    [-365 * dayMs, 'back'],
    [2 * dayMs, 'forward'],
  ])('stops the node where the wall clock stays %i ms off', (by, word) => {
    const host = new Host();
    const time = new MachineTime(host);
    host.wall += by;
    time.now();
    host.pass(11_000);
    // Documents are checked by it until the next event.
    expect(time.steady()).toBe(start + 11_000);
    expect(() => time.now()).toThrow(
      expect.objectContaining({ code: 'CLOCK_JUMPED', message: expect.stringContaining(`set ${word} by`) }),
    );
  });

  it('does not follow a last event that is later than documents tolerate', () => {
    const time = new MachineTime(new Host());
    expect(() => time.follow(start + skewMs + 1)).toThrow(
      expect.objectContaining({ code: 'CLOCK_BEHIND', hint: expect.stringContaining('--accept-clock') }),
    );
    expect(time.now()).toBe(start);
  });
});

describe('the bounds of a time', () => {
  it('a journal may be ahead as far as clocks may differ', () => {
    new MachineTime(new Host()).follow(start + skewMs);
    expect(() => new MachineTime(new Host()).follow(start + skewMs + 1)).toThrow('journal');
  });

  it.each([1, -1])('a clock that differs so much is followed, one that differs more is not: %i', (sign) => {
    for (const [ms, follows] of [
      [skewMs, true],
      [skewMs + 1, false],
    ] as const) {
      const host = new Host();
      const time = new MachineTime(host);
      host.wall += sign * ms;
      host.pass(1_000);
      expect(time.steady() !== start + 1_000).toBe(follows);
    }
  });

  it('a clock that is put right in time ends nothing', () => {
    const host = new Host();
    const time = new MachineTime(host);
    host.wall += 2 * skewMs;
    time.now();
    host.pass(sessionTimes.disturbanceMs);
    time.now();
    host.pass(1);
    expect(() => time.now()).toThrow('was set forward');
  });
});
