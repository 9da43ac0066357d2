import { describe, expect, it } from 'vitest';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { accountOf } from '../../../src/protocol/account/index.ts';
import type { Outcome } from '../../../src/protocol/documents/index.ts';
import { type Bench, built, deliverAll, failed, leasedRound, other, projectOf, timings } from './bench.ts';

const failedOtherwise: Outcome = { kind: 'exit', code: 2, artifact: null };
const isAlarm = (bench: Bench, run: string): boolean =>
  accountOf(summaryOf(bench.controller.state, bench.facts(run))).alarm;
const look = (bench: Bench, run: string) =>
  bench.send({ kind: 'acknowledge', token: 'look', run, by: 'ada' });

async function disputed() {
  const round = await leasedRound({ policy: { rounds: 1, cosign: 'none', agree: 3 } });
  await deliverAll(round.bench, round.leases, [built, other, built]);
  expect(round.bench.result(round.run).level).toBe('disputed');
  return round;
}

/** The trusted worker contradicts what ada, bob and cy agree on; a new round is open to dan and eve. */
async function contradicted() {
  const round = await leasedRound({}, 'dan', 'eve');
  const { bench, run, leases, trusted } = round;
  await deliverAll(bench, leases, []);
  bench.pinned(run);
  await bench.deliver('trusted', trusted, other);
  return round;
}

describe('the alarm of a run', () => {
  it('is raised by a dispute and by a contradiction, and by nothing else', async () => {
    const { bench, run } = await disputed();
    expect(isAlarm(bench, run)).toBe(true);
    const contradiction = await contradicted();
    expect(isAlarm(contradiction.bench, contradiction.run)).toBe(true);
    const unfinished = await leasedRound({ policy: { rounds: 1, cosign: 'none' } });
    await deliverAll(unfinished.bench, unfinished.leases, [failed, failedOtherwise, failed]);
    expect(unfinished.bench.result(unfinished.run).level).toBe('unfinished');
    expect(isAlarm(unfinished.bench, unfinished.run)).toBe(false);
    expect(unfinished.bench.controller.state.alarms.size).toBe(0);
  });

  it('ends once somebody who may publish has looked, and stays ended after a restart', async () => {
    const { bench, run } = await disputed();
    look(bench, run);
    expect(bench.durability).toBe('sync');
    expect(bench.lastReply('look')).toEqual({ kind: 'acknowledged', run });
    expect(isAlarm(bench, run)).toBe(false);
    expect(bench.progress(run, 'acknowledged')).toMatchObject([{ by: 'ada' }]);
    await bench.restart();
    expect(isAlarm(bench, run)).toBe(false);
    // The verdict is what it was.
    expect(bench.result(run).level).toBe('disputed');
  });

  it('is not looked at twice, and where there is none nothing is kept', async () => {
    const { bench, run } = await disputed();
    look(bench, run);
    look(bench, run);
    expect([bench.durability, bench.progress(run, 'acknowledged')]).toEqual(['none', [expect.anything()]]);
    const quiet = await projectOf('ada');
    const open = await quiet.submit();
    look(quiet, open);
    expect([quiet.durability, quiet.progress(open, 'acknowledged')]).toEqual(['none', []]);
    expect(quiet.lastReply('look')).toEqual({ kind: 'acknowledged', run: open });
    quiet.send({ kind: 'acknowledge', token: 'none', run: 'f'.repeat(64), by: 'ada' });
    expect(quiet.lastReply('none')).toMatchObject({ kind: 'error', code: 'JOB_UNKNOWN' });
    // Of a page, which asks for no reply.
    expect(quiet.send({ kind: 'acknowledge', run: 'f'.repeat(64), by: 'ada' })).toEqual([]);
  });

  it('is raised again by what comes after', async () => {
    const { bench, run } = await contradicted();
    look(bench, run);
    expect(isAlarm(bench, run)).toBe(false);
    bench.drive(timings.windowMs + timings.slotFillMs);
    expect(bench.result(run)).toMatchObject({ level: 'disputed', ending: 'contradicted' });
    expect(isAlarm(bench, run)).toBe(true);
  });
});
