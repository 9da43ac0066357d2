import { describe, expect, it } from 'vitest';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { deliver, evil, isTrusted, openBench, playRound, right, twoOfThree } from './support.ts';

const mallory = { kind: 'operator', id: 'mallory' } as const;
const moe = { kind: 'operator', id: 'moe' } as const;

describe('operators that were hijacked, and revoked', () => {
  /** Two of three tamper; they are revoked while they build. */
  async function afterwards(guard: 'on' | { off: string }) {
    const bench = await openBench(guard);
    await bench.members('trusted', 'mallory', 'moe', 'ada');
    bench.present('mallory', 'moe', 'ada');
    const run = await bench.submit({ policy: twoOfThree });
    const leases = await bench.lease('mallory', 'moe', 'ada');
    await bench.revoke(mallory);
    await bench.revoke(moe);
    await deliver(bench, leases, { mallory: evil, moe: evil, ada: right }).catch(() => {});
    bench.drive(120_000);
    if (bench.run(run).phase.kind === 'pinning') bench.pinned(run);
    return isTrusted(bench, run);
  }
  it('have no lease any more, and what they deliver is refused', async () => {
    expect(await afterwards('on')).toBe(false);
  });
  it('control: without the guard what they agree on is trusted', async () => {
    expect(await afterwards({ off: 'revoked-goes-on' })).toBe(true);
  });

  /** They were done when it was found out. */
  async function foundOut(guard: 'on' | { off: string }) {
    const bench = await openBench(guard);
    await bench.members('trusted', 'mallory', 'moe', 'ada');
    bench.present('mallory', 'moe', 'ada');
    const run = await bench.submit({ policy: twoOfThree });
    await playRound(bench, run, { mallory: evil, moe: evil, ada: right });
    expect(isTrusted(bench, run)).toBe(true);
    await bench.revoke(mallory, { since: 0 });
    return summaryOf(bench.controller.state, bench.run(run)).revoked !== undefined;
  }
  it('took their verdict with them: it is told to stand no more', async () => {
    expect(await foundOut('on')).toBe(true);
  });
  it('control: without the guard it stands', async () => {
    expect(await foundOut({ off: 'revoked-goes-on' })).toBe(false);
  });
});
