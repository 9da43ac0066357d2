import { describe, expect, it } from 'vitest';
import { snapshot } from '../../../simulations/snapshot.ts';
import {
  fullKeys,
  lapsedRevocations,
  memberRevoked,
} from '../../../src/controller/machine/members/revocations.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { lapsedOf, tellAtStart } from '../../../src/controller/node/status.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { A, type Bench, built, deliverAll, leasedRound, projectOf } from './bench.ts';

const artifact = { kind: 'artifact', id: A } as const;
const idpKey = (bench: Bench) => ({ kind: 'key', id: bench.id('idp') }) as const;
const lastRevocation = ({ controller: { state } }: Bench) => state.revocations.at(-1)?.revocation.id ?? '';

/** How a run stands with a controller, whether it holds its documents or not. */
function standing({ state }: Bench['controller'], run: string) {
  const found = state.index.get(run);
  if (found === undefined) throw new Error('no such run');
  return summaryOf(state, found);
}

async function trustedRun(...more: string[]) {
  const { bench, run, leases, trusted } = await leasedRound({}, ...more);
  await deliverAll(bench, leases, [built, built, built]);
  bench.pinned(run);
  await bench.deliver('trusted', trusted);
  bench.cosign(run);
  bench.store(run);
  expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
  return { bench, run };
}

/** An identity provider's key that signed as many as are taken of one. */
async function full(bench: Bench): Promise<void> {
  for (let n = 0; n < limits.revocationsMax; n++)
    await bench.revoke({ kind: 'artifact', id: A }, { reason: `n ${n}` });
}

describe('an identity provider’s key that revokes all it can', () => {
  it('is full by itself: the root revokes, and the alarm names the key until it is ended', async () => {
    const bench = await projectOf('ada');
    await full(bench);
    const { state } = bench.controller;
    expect(fullKeys(state)).toEqual([bench.id('idp')]);
    const before = snapshot(state);
    expect(await bench.revoke({ kind: 'operator', id: 'ada' })).toMatchObject({
      kind: 'error',
      code: 'REVOCATIONS_FULL',
      message: expect.stringMatching(/end that key/),
    });
    expect(snapshot(state)).toBe(before);
    expect(await bench.revoke({ kind: 'operator', id: 'ada' }, { as: 'root' })).toMatchObject({
      kind: 'revoked',
    });
    expect(await bench.revoke(idpKey(bench), { as: 'root' })).toMatchObject({ kind: 'revoked' });
    expect(fullKeys(state)).toEqual([]);
  });
});

describe('the end of an identity provider’s key', () => {
  it('ends its revocations: what it voided stands again, what stays does not, and it revokes nothing more', async () => {
    const { bench, run } = await trustedRun();
    const { state } = bench.controller;
    await bench.revoke(artifact, { since: 0, reason: 'the thief' });
    expect(standing(bench.controller, run).revoked).toMatchObject({ reason: 'the thief' });
    await bench.revoke({ kind: 'operator', id: 'ada' }, { reason: 'ours' });
    const ours = lastRevocation(bench);
    await bench.revoke(idpKey(bench), { as: 'root', keeps: [ours] });
    expect(standing(bench.controller, run).revoked).toBeUndefined();
    expect(bench.progress(run, 'restored')).toEqual([
      { kind: 'restored', level: 'trusted', artifact: A, key: bench.id('idp') },
    ]);
    expect(state.index.lists.countOf('revoked')).toBe(0);
    const ada = { sub: bench.id('ada'), operator: 'ada', role: 'worker' } as const;
    expect(memberRevoked(state, ada)).toMatchObject({ reason: 'ours' });
    const again = await bench.revoke(artifact, { since: 0, reason: 'the thief again' });
    expect(again).toMatchObject({ kind: 'error', code: 'KEY_REVOKED' });
  });

  it('has its members get grants of another one: none of them is revoked', async () => {
    const { bench } = await leasedRound({}, 'dan');
    await bench.revoke(idpKey(bench), { as: 'root' });
    expect(bench.lastReply(await bench.claim('dan'))).toMatchObject({ code: 'GRANT_ISSUER_MISMATCH' });
    expect(await bench.enrol('eve')).toMatchObject({ code: 'TICKET_ISSUER_MISMATCH' });
  });

  it('leaves a verdict void that another revocation voids too', async () => {
    const { bench, run } = await trustedRun();
    await bench.revoke(artifact, { since: 0, reason: 'the thief' });
    await bench.revoke(artifact, { since: 0, as: 'root', reason: 'malware' });
    await bench.revoke(idpKey(bench), { as: 'root' });
    const { revoked } = standing(bench.controller, run);
    expect(revoked).toMatchObject({ reason: 'malware' });
  });

  it('leaves a run as it ended that was to be built again', async () => {
    const { bench, run } = await trustedRun('dan', 'eve', 'fay');
    for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
    expect(bench.controller.state.recalls.has(run)).toBe(true);
    await bench.revoke(idpKey(bench), { as: 'root' });
    expect(standing(bench.controller, run).revoked).toBeUndefined();
    expect(bench.controller.state.recalls.has(run)).toBe(false);
    bench.recall(run, null);
    expect(bench.durability).toBe('none');
  });

  it('is there again after a crash', async () => {
    const { bench } = await trustedRun();
    await bench.revoke(artifact, { since: 0 });
    await bench.revoke(idpKey(bench), { as: 'root' });
    const before = snapshot(bench.controller.state);
    bench.replay();
    expect(snapshot(bench.controller.state)).toBe(before);
  });

  it('of a journal of rules 1 counts from the first start under these on, and not before', async () => {
    const { bench, run } = await trustedRun();
    await bench.revoke(artifact, { since: 0, reason: 'the thief' });
    await bench.revoke(idpKey(bench), { as: 'root' });
    const old = bench.fresh();
    for (const { event, now } of bench.journal) old.handle(event, now, 1);
    expect(old.state.log.root()).toBe(bench.controller.state.log.root());
    expect(standing(old, run).revoked).toMatchObject({ reason: 'the thief' });
    expect(lapsedRevocations(old.state)).toEqual([]);
    const start = bench.journal.find(({ event }) => event.kind === 'started');
    if (start === undefined) throw new Error('a controller was started');
    old.handle(start.event, bench.now);
    expect(standing(old, run).revoked).toBeUndefined();
  });

  it('of a journal of rules 1 names what lapsed by it, until it is signed again', async () => {
    const bench = await projectOf('ada', 'bob');
    await bench.revoke({ kind: 'operator', id: 'ada' }, { since: 0, reason: 'ours' });
    await bench.revoke(artifact, { since: 0, reason: 'ours too' });
    const from = bench.controller.state.log.size;
    await bench.revoke({ kind: 'operator', id: 'bob' }, { reason: 'the thief' });
    await bench.revoke(idpKey(bench), { as: 'root', since: from });
    const old = bench.fresh();
    for (const { event, now } of bench.journal) old.handle(event, now, 1);
    const start = bench.journal.find(({ event }) => event.kind === 'started');
    if (start === undefined) throw new Error('a controller was started');
    old.handle(start.event, bench.now);
    const named = () => lapsedOf(old.state).map(({ what: { id } }) => id);
    expect(named()).toEqual(['ada', A]);
    const told: string[] = [];
    tellAtStart(old.state, [], (_level, kind, says) => void told.push(`${kind}: ${says}`));
    expect(told).toEqual([expect.stringMatching(/^revocations-lapsed: .*\(operator ada\), .*Sign again/)]);
    for (const [what, by] of [
      [{ kind: 'operator', id: 'ada' }, 5],
      [artifact, 0],
    ] as const) {
      const revocation = await bench.paper.revocation(what, by, bench.now, { as: 'root' });
      old.handle({ kind: 'revoke', token: what.id, revocation }, bench.now);
    }
    // From a later leaf on it reaches less.
    expect(named()).toEqual(['ada']);
    // Those of a journal of today were told of when the key was ended.
    expect(lapsedOf(bench.controller.state)).toEqual([]);
  });
});
