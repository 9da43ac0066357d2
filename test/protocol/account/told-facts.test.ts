import { describe, expect, it } from 'vitest';
import { exited } from '../../../simulations/paperwork.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { accountLine, accountOf } from '../../../src/protocol/account/index.ts';
import { afterProgress, untold } from '../../../src/protocol/account/told-facts.ts';
import { documentLimits } from '../../../src/protocol/documents/limits.ts';
import type { Progress } from '../../../src/protocol/wire/progress.ts';
import { again, build } from '../../controller/machine/asked-again.ts';
import {
  A,
  B,
  type Bench,
  built,
  deliverAll,
  failed,
  leasedRound,
  other,
  projectOf,
  timings,
} from '../../controller/machine/bench.ts';
import { publish } from '../../controller/machine/pipelines.ts';

/** The account from the told progress, and the one from the controller's state. */
function both(bench: Bench, run: string): [told: string, known: string] {
  const { history } = bench.facts(run);
  const told = history.reduce((facts, { progress }) => afterProgress(facts, progress), untold(run));
  const known = summaryOf(bench.controller.state, bench.facts(run));
  return [accountLine(accountOf(told)), accountLine(accountOf(known))];
}

describe('a follower of a run', () => {
  it('counts all who agreed, and names as many as a round may have', () => {
    const by = Array.from({ length: documentLimits.slotsMax + 1 }, (_, n) => `op${n}`);
    const agreed: Progress = { kind: 'agreed', round: 1, artifact: A, by };
    const { tally } = afterProgress(untold('a'), agreed);
    expect([tally?.same, tally?.by?.length]).toEqual([by.length, documentLimits.slotsMax]);
  });

  const ends: [string, () => Promise<{ bench: Bench; run: string }>][] = [
    [
      'trusted',
      async () => {
        const { bench, run, leases, trusted } = await leasedRound();
        await deliverAll(bench, leases, [built, built, other]);
        bench.pinned(run);
        await bench.deliver('trusted', trusted, built);
        bench.cosign(run);
        return { bench, run };
      },
    ],
    [
      'failed',
      async () => {
        const { bench, run, leases, trusted } = await leasedRound();
        await deliverAll(bench, leases, [failed, failed, failed]);
        await bench.deliver('trusted', trusted, failed);
        bench.cosign(run);
        return { bench, run };
      },
    ],
    [
      'differs',
      async () => {
        const { bench, run } = await again({}, { rebuild: true });
        await build(bench, run, { outcome: exited(B) });
        return { bench, run };
      },
    ],
    [
      'disputed',
      async () => {
        const { bench, run, leases } = await leasedRound({ policy: { rounds: 1, cosign: 'none', agree: 3 } });
        await deliverAll(bench, leases, [built, other, built]);
        return { bench, run };
      },
    ],
    [
      'unfinished',
      async () => {
        const bench = await projectOf('ada');
        const run = await bench.submit({ policy: { rounds: 1 } });
        bench.drive(timings.windowMs + timings.slotFillMs);
        return { bench, run };
      },
    ],
    [
      'cancelled',
      async () => {
        const { bench, run, leases } = await leasedRound();
        await deliverAll(bench, leases, []);
        bench.pinned(run);
        const by = bench.id('publisher');
        bench.send({ kind: 'cancel', token: 'c', which: run, by, reason: 'wrong branch' });
        return { bench, run };
      },
    ],
    [
      'revoked',
      async () => {
        const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none', rounds: 1 } });
        await deliverAll(bench, leases, [built, built, other]);
        bench.pinned(run);
        await bench.revoke({ kind: 'operator', id: 'ada' }, { since: 0 });
        return { bench, run };
      },
    ],
    [
      'waiting',
      async () => {
        const bench = await projectOf('ada');
        const lib = await publish(bench, 'lib');
        return { bench, run: await publish(bench, 'app', { needs: { lib: [lib] } }) };
      },
    ],
  ];

  it('says that a verdict stands again once the key that revoked it was ended', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none', rounds: 1 } });
    await deliverAll(bench, leases, [built, built, other]);
    bench.pinned(run);
    await bench.revoke({ kind: 'artifact', id: A }, { since: 0 });
    expect(both(bench, run)[0]).toMatch(/^revoked/);
    await bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root' });
    const [told, known] = both(bench, run);
    expect(bench.progress(run, 'restored')).toHaveLength(1);
    expect(told).toBe(known);
  });

  it('says of an answer from an earlier build what it waits for', async () => {
    const { bench, run } = await again();
    bench.pinned(run);
    const [told, known] = both(bench, run);
    expect(told).toMatch(/^waiting: it was built before, and the answer waits for the signature/);
    expect(told).toBe(known);
  });

  it.each(ends)('says the same as the controller of what is %s', async (state, make) => {
    const { bench, run } = await make();
    const [told, known] = both(bench, run);
    expect(told).toBe(known);
    expect(told).toMatch(new RegExp(`^${state}`));
  });
});

it.each([
  ['witnessing', 'agreed', 'witnessing'],
  ['building', 'agreed', 'agreed'],
  ['witnessing', 'trusted', 'done'],
  ['building', 'disputed', 'done'],
] as const)('a run that is %s and has a verdict %s is %s', (state, level, after) => {
  const facts = { ...untold('run'), state };
  const verdict = { kind: 'verdict', level, artifact: A } as const;
  expect(afterProgress(facts, verdict).state).toBe(after);
});
