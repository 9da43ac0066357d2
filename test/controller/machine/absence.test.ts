import { describe, expect, it } from 'vitest';
import { capabilities } from '../../../simulations/paperwork.ts';
import { idOf } from '../../../src/protocol/documents/index.ts';
import { ownVersion } from '../../../src/protocol/wire/peer-version.ts';
import { aborted, type Bench, built, failed, other, projectOf, timings } from './bench.ts';

const { absenceMs, leaseSilenceMs, slotFillMs } = timings;
const isOpen = (bench: Bench, run: string) => bench.run(run).phase.kind === 'building';

/** A project whose controller has been up for a while. */
async function longUp(...operators: string[]): Promise<Bench> {
  const bench = await projectOf(...operators);
  bench.drive(leaseSilenceMs);
  return bench;
}

/** Two of three operators are connected, and deliver. `later`: who is enrolled and not connected, before it is submitted. */
async function twoOfThree(outcomes = [built, built], ...later: string[]) {
  const bench = await longUp('ada', 'bob');
  await bench.members(...later);
  const run = await bench.submit();
  const leases = await bench.lease('ada', 'bob');
  for (const [n, key] of ['ada', 'bob'].entries())
    await bench.deliver(key, leases.get(key), outcomes[n] ?? built);
  return { bench, run };
}

describe('a round with enough equal results, and nobody connected for the slots that are left', () => {
  it('ends after seconds, and says why', async () => {
    const { bench, run } = await twoOfThree();
    bench.drive(absenceMs - 1);
    expect(isOpen(bench, run)).toBe(true);
    bench.drive(1);
    expect(bench.run(run).phase.kind).toBe('pinning');
    expect(bench.progress(run, 'unfilled')).toEqual([{ kind: 'unfilled', round: 1, slots: 1, absent: true }]);
    bench.pinned(run);
    expect(bench.result(run)).toMatchObject({ level: 'agreed' });
  });

  it('ends the same way in a replay', async () => {
    const { bench, run } = await twoOfThree();
    bench.drive(absenceMs);
    const { size } = bench.controller.state.log;
    await bench.restart();
    expect(bench.controller.state.log.size).toBe(size);
    expect(bench.run(run).phase.kind).toBe('pinning');
  });

  it('does so where equal builds failed', async () => {
    const { bench, run } = await twoOfThree([failed, failed]);
    bench.drive(absenceMs);
    expect(bench.run(run).phase.kind).toBe('awaiting-trusted');
  });

  it.each([
    ['differ', [built, other]],
    ['are none', [aborted, aborted]],
  ] as const)('waits for operators as ever where results %s', async (_, outcomes) => {
    const { bench, run } = await twoOfThree([...outcomes], 'cy', 'dan');
    bench.drive(slotFillMs - 1);
    expect([bench.run(run).rounds.length, isOpen(bench, run)]).toEqual([1, true]);
  });

  it('counts no receipt of the trusted worker', async () => {
    const bench = await longUp('ada');
    const run = await bench.submit();
    const leases = await bench.lease('ada', 'trusted');
    for (const key of ['ada', 'trusted']) await bench.deliver(key, leases.get(key), built);
    bench.drive(absenceMs);
    expect(isOpen(bench, run)).toBe(true);
  });

  it('counts those of its own round alone', async () => {
    const bench = await longUp('ada', 'bob', 'cy', 'dan', 'eve', 'fay');
    const run = await bench.submit({ policy: { agree: 2, of: 2 } });
    const first = await bench.lease('ada', 'bob', 'cy', 'dan', 'eve', 'fay');
    const outcomes = [built, other];
    for (const [key, lease] of first) await bench.deliver(key, lease, outcomes.shift());
    const [third = '', ...rest] = ['ada', 'bob', 'cy', 'dan', 'eve', 'fay'].filter((key) => !first.has(key));
    const second = await bench.lease(third);
    for (const key of rest) bench.send({ kind: 'absent', worker: bench.id(key) });
    await bench.deliver(third, second.get(third), built);
    bench.drive(absenceMs);
    expect([bench.run(run).rounds.length, isOpen(bench, run)]).toEqual([2, true]);
  });

  it('waits for nobody of an earlier one', async () => {
    const bench = await longUp('ada', 'bob', 'cy', 'dan', 'eve');
    const run = await bench.submit();
    const first = await bench.lease('ada', 'bob', 'cy', 'dan', 'eve');
    const outcomes = [built, other, failed];
    for (const [key, lease] of first) await bench.deliver(key, lease, outcomes.shift());
    const second = await bench.lease(...['ada', 'bob', 'cy', 'dan', 'eve'].filter((key) => !first.has(key)));
    for (const [key, lease] of second) await bench.deliver(key, lease, built);
    expect([second.size, isOpen(bench, run)]).toEqual([2, true]);
    bench.drive(absenceMs);
    expect(isOpen(bench, run)).toBe(false);
  });

  it('gives up no slot while another is built', async () => {
    const bench = await longUp('ada', 'bob', 'cy', 'dan');
    const run = await bench.submit({ policy: { agree: 3, of: 5 } });
    const leases = await bench.lease('ada', 'bob', 'cy', 'dan');
    for (const key of ['ada', 'bob', 'cy']) await bench.deliver(key, leases.get(key), built);
    bench.send({ kind: 'untaken', offer: idOf(bench.offer) });
    bench.drive(absenceMs);
    expect(bench.run(run).rounds[0]?.slots.filter(({ kind }) => kind === 'free')).toHaveLength(1);
  });

  it('waits for one that is connected, and for one that comes back in time', async () => {
    const { bench, run } = await twoOfThree([built, built], 'cy');
    bench.drive(absenceMs - 1);
    bench.present('cy');
    bench.drive(absenceMs);
    expect(isOpen(bench, run)).toBe(true);
    bench.send({ kind: 'absent', worker: bench.id('cy') });
    bench.drive(absenceMs - 1);
    bench.present('cy');
    await bench.lease('cy');
    bench.drive(absenceMs);
    expect(isOpen(bench, run)).toBe(true);
    expect(bench.run(run).rounds[0]?.slots.map(({ kind }) => kind)).toEqual([
      'delivered',
      'delivered',
      'leased',
    ]);
  });

  it('waits for a build that runs, whoever is gone', async () => {
    const bench = await longUp('ada', 'bob', 'cy');
    const run = await bench.submit();
    const leases = await bench.lease('ada', 'bob', 'cy');
    await bench.deliver('ada', leases.get('ada'), built);
    await bench.deliver('bob', leases.get('bob'), built);
    bench.send({ kind: 'absent', worker: bench.id('cy') });
    bench.drive(absenceMs + 1);
    expect(isOpen(bench, run)).toBe(true);
    bench.drive(leaseSilenceMs);
    expect(isOpen(bench, run)).toBe(false);
  });

  it.each([
    ['paused by its operator', false],
    ['the job wants 9 processes; this host lends 8', false],
    ['busy with 1 job', true],
    ['busy: not enough memory free', true],
  ])('where one takes no slot for the reason "%s": waits for it: %s', async (pass, waits) => {
    const { bench, run } = await twoOfThree([built, built], 'cy');
    bench.present('cy');
    await bench.claim('cy', { pass });
    bench.drive(absenceMs);
    expect(isOpen(bench, run)).toBe(waits);
  });

  it('takes one that declined and changed its mind', async () => {
    const { bench, run } = await twoOfThree([built, built], 'cy');
    bench.present('cy');
    await bench.claim('cy', { pass: 'paused by its operator' });
    bench.drive(absenceMs - 1);
    expect((await bench.lease('cy')).size).toBe(1);
    bench.drive(absenceMs);
    expect(isOpen(bench, run)).toBe(true);
  });

  it.each<[string, (bench: Bench) => Promise<unknown>]>([
    ['was enrolled later', async (bench) => bench.members('cy')],
    ['is revoked', async (bench) => bench.revoke({ kind: 'operator', id: 'cy' })],
  ])('does not wait for one that %s', async (what, act) => {
    const { bench, run } = await twoOfThree([built, built], ...(what === 'is revoked' ? ['cy'] : []));
    if (what === 'is revoked') bench.present('cy');
    await act(bench);
    if (what !== 'is revoked') bench.present('cy');
    bench.drive(absenceMs);
    expect(isOpen(bench, run)).toBe(false);
  });

  it('does not wait for a host that lends too little, nor for one whose lease was lost', async () => {
    const bench = await longUp('ada', 'bob', 'cy');
    await bench.members('dan');
    bench.send({
      kind: 'present',
      grant: bench.grantOf('dan'),
      capabilities: { ...capabilities, cpus: 0.1 },
      version: ownVersion('0.1.0'),
    });
    const run = await bench.submit();
    const leases = await bench.lease('ada', 'bob', 'cy');
    const why = { code: 'DISK_FULL', message: 'no space' };
    bench.send({ kind: 'failed', worker: bench.id('cy'), lease: leases.get('cy')?.id ?? '', ...why });
    await bench.deliver('ada', leases.get('ada'), built);
    await bench.deliver('bob', leases.get('bob'), built);
    bench.drive(absenceMs);
    expect(isOpen(bench, run)).toBe(false);
  });

  it.each([null])('does not wait for a worker that states no version (%s)', async (version) => {
    const { bench, run } = await twoOfThree([built, built], 'cy');
    bench.presentAs(version, 'cy');
    bench.drive(absenceMs);
    expect(isOpen(bench, run)).toBe(false);
  });

  it('gives members time to come back after a start', async () => {
    const { bench, run } = await twoOfThree();
    await bench.restart();
    bench.drive(leaseSilenceMs + absenceMs - 1);
    expect(isOpen(bench, run)).toBe(true);
    bench.drive(1);
    expect(isOpen(bench, run)).toBe(false);
  });

  it.each(['operator', 'key'] as const)(
    'counts no result of one whose %s was revoked: who comes later makes up for it',
    async (kind) => {
      const { bench, run } = await twoOfThree([built, built], 'cy');
      await bench.revoke({ kind, id: kind === 'key' ? bench.id('ada') : 'ada' }, { since: 0 });
      bench.send({ kind: 'untaken', offer: idOf(bench.offer) });
      bench.drive(2 * absenceMs);
      expect(isOpen(bench, run)).toBe(true);
      bench.present('cy');
      const leases = await bench.lease('cy');
      await bench.deliver('cy', leases.get('cy'), built);
      bench.pinned(run);
      expect(bench.result(run)).toMatchObject({ level: 'agreed' });
    },
  );

  it('shrinks nothing: what it decides on is N of M as before', async () => {
    const bench = await longUp('ada');
    const run = await bench.submit({ policy: { agree: 2, of: 3, rounds: 1 } });
    const leases = await bench.lease('ada');
    await bench.deliver('ada', leases.get('ada'), built);
    bench.drive(slotFillMs - 1);
    expect(isOpen(bench, run)).toBe(true);
    bench.drive(timings.windowMs + 1);
    expect(bench.result(run).level).toMatch(/disputed|unfinished/);
  });
});
