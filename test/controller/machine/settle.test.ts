import { describe, expect, it } from 'vitest';
import { treeCid } from '../../../simulations/paperwork.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import { draftOf, publishedParts } from '../../../src/controller/machine/queries/draft.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { accountOf } from '../../../src/protocol/account/index.ts';
import { idOf, type Outcome } from '../../../src/protocol/documents/index.ts';
import {
  A,
  aborted,
  Bench,
  built,
  deliverAll,
  failed,
  leasedRound,
  other,
  projectOf,
  timings,
} from './bench.ts';
import { verified } from './evidence.ts';

const treeC: Outcome = { kind: 'exit', code: 0, artifact: treeCid('artifact c') };
const trio = ['ada', 'bob', 'cy'];

describe('a receipt', () => {
  it('is acknowledged with its place in the log', async () => {
    const { bench, leases } = await leasedRound();
    const reply = await bench.deliver('ada', leases.get('ada'));
    if (reply.kind !== 'ack') throw new Error(`no ack but ${reply.kind}`);
    expect(bench.controller.state.log.leaves()[reply.ack.index]).toBe(
      `receipt ${reply.ack.receipt} offer ${idOf(bench.offer)}`,
    );
  });

  it('repeated after a lost ack is acknowledged again, with the same index', async () => {
    const { bench, leases } = await leasedRound();
    const first = await bench.deliver('ada', leases.get('ada'));
    const size = bench.controller.state.log.size;
    expect(await bench.deliver('ada', leases.get('ada'))).toEqual(first);
    expect(bench.controller.state.log.size).toBe(size);
  });

  it('repeated after its round was revealed is answered with the reveal too, which came too early before', async () => {
    const { bench, leases } = await leasedRound();
    await deliverAll(bench, leases, []);
    const from = bench.effects.length;
    await bench.deliver('ada', leases.get('ada'));
    expect(bench.effects.slice(from).map(({ kind }) => kind)).toEqual(['reply', 'reveal']);
  });

  it('that differs from the first of its lease is refused', async () => {
    const { bench, leases } = await leasedRound();
    await bench.deliver('ada', leases.get('ada'), built);
    expect(await bench.deliver('ada', leases.get('ada'), other)).toMatchObject({ code: 'RECEIPT_SECOND' });
  });

  it('under a lease that was lost is refused: its fence is stale', async () => {
    const { bench, leases } = await leasedRound();
    bench.drive(timings.leaseSilenceMs);
    expect(await bench.deliver('ada', leases.get('ada'))).toMatchObject({ code: 'RECEIPT_STALE_FENCE' });
    expect(bench.all('reply').some(({ reply }) => reply.kind === 'ack')).toBe(false);
  });

  it.each([
    ['another operator', { operator: 'bob' }],
    ['another slot', { slot: 'trusted' as const }],
    ['another fence', { fence: { epoch: 9, n: 9 } }],
    ['another round', { round: 2 }],
    ['another project', { project: new Bench().id('eve') }],
  ])('that states %s than its lease is refused', async (_, facts) => {
    const { bench, leases } = await leasedRound();
    expect(await bench.deliver('ada', leases.get('ada'), built, { facts })).toMatchObject({
      code: 'RECEIPT_LEASE_MISMATCH',
    });
  });

  it('signed by another key is refused', async () => {
    const { bench, leases } = await leasedRound();
    expect(await bench.deliver('bob', leases.get('ada'))).toMatchObject({ code: 'RECEIPT_SIGNER_MISMATCH' });
  });

  it('about another source than the job has is refused', async () => {
    const { bench, leases } = await leasedRound();
    const lease = leases.get('ada');
    if (lease === undefined) throw new Error('ada has a lease');
    const job = bench.jobOf(lease);
    const elsewhere = { ...job, source: { ...job.source, commit: 'f'.repeat(40) } };
    const receipt = await bench.paper.receipt('ada', lease, elsewhere, built);
    bench.send({ kind: 'receipt', token: 't', lease: lease.id, receipt });
    expect(bench.lastReply('t')).toMatchObject({ code: 'RECEIPT_MISMATCH' });
  });
});

describe('a sealed round', () => {
  it('tells nothing of its results until every slot is in', async () => {
    const { bench, run, leases } = await leasedRound();
    await bench.deliver('ada', leases.get('ada'));
    await bench.deliver('bob', leases.get('bob'));
    const said = JSON.stringify(bench.effects);
    expect(said).not.toContain(A);
    expect(bench.all('reveal')).toEqual([]);
    await bench.deliver('cy', leases.get('cy'), other);
    expect(
      bench
        .all('reveal')
        .map(({ worker }) => worker)
        .sort(),
    ).toEqual(trio.map((key) => bench.id(key)).sort());
    expect(bench.progress(run, 'revealed')).toMatchObject([{ round: 1 }]);
  });

  it('lists dissent beside what was agreed', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    await deliverAll(bench, leases, [built, other, built]);
    bench.pinned(run);
    const facts = bench.result(run).verdict?.predicate.quorate_verdict;
    expect(facts).toMatchObject({ level: 'trusted', outcome: built });
    expect(facts?.receipts.map(({ outcome }) => outcome)).toContainEqual(other);
  });

  it('counts an aborted run as no vote and asks its operator no more', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } }, 'dan');
    await bench.deliver('ada', leases.get('ada'), aborted);
    expect(bench.lastReply(await bench.claim('ada'))).toMatchObject({ code: 'CLAIM_HAS_SLOT' });
    await bench.deliver('bob', leases.get('bob'));
    await bench.deliver('cy', leases.get('cy'));
    bench.pinned(run);
    expect(bench.result(run).level).toBe('trusted');
    expect(bench.all('reveal').map(({ worker }) => worker)).toContain(bench.id('ada'));
  });

  it('gives the slot of an aborted run to whoever stands by', async () => {
    const bench = await projectOf('ada', 'bob', 'cy', 'dan');
    const run = await bench.submit();
    const leases = await bench.lease('ada', 'bob', 'cy', 'dan');
    const [first = ''] = leases.keys();
    await bench.deliver(first, leases.get(first), aborted);
    expect(bench.progress(run, 'leased')).toHaveLength(4);
  });
});

describe('no agreement', () => {
  const none = { policy: { cosign: 'none', rounds: 1 } } as const;
  const failedOtherwise = { ...failed, code: 2 };
  const refused: Outcome = { kind: 'aborted', reason: 'outputs', detail: 'STORE_NAME_REFUSED: a tab' };
  it.each<[string, Outcome[], string, string]>([
    ['different results', [built, other, failed], 'disputed', 'results-differ'],
    ['one who failed where another one did not', [built, failed, aborted], 'disputed', 'results-differ'],
    ['nobody able to build it', [aborted, aborted, aborted], 'unfinished', 'aborted'],
    ['outputs that no artifact can have', [refused, refused, refused], 'unfinished', 'outputs-refused'],
    ['outputs that one of them refused', [refused, aborted, aborted], 'unfinished', 'aborted'],
    ['one who could, alone', [built, aborted, aborted], 'unfinished', 'too-few'],
    // How a build fails is no result.
    ['a build that fails everywhere', [failed, failedOtherwise, aborted], 'unfinished', 'build-failed'],
  ])('by %s says so', async (_, outcomes, level, reason) => {
    const { bench, run, leases } = await leasedRound(none);
    await deliverAll(bench, leases, outcomes);
    // A slot whose run was aborted may be leased again, and nobody is left to take it.
    bench.drive(timings.windowMs + timings.slotFillMs);
    expect(summaryOf(bench.controller.state, bench.facts(run))).toMatchObject({ level, reason });
    expect(bench.facts(run).history.at(-1)?.progress).toMatchObject({ kind: 'verdict', reason });
  });

  it('since nobody took a slot says so', async () => {
    const { bench, run, leases } = await leasedRound(none);
    expect(leases.size).toBe(3);
    bench.drive(timings.leaseSilenceMs + timings.windowMs + timings.slotFillMs);
    expect(summaryOf(bench.controller.state, bench.facts(run))).toMatchObject({
      level: 'unfinished',
      reason: 'not-built',
    });
  });

  it('was disputed under the first rules, whatever it was for, and is again in a replay', async () => {
    const { bench, run } = await leasedRound(none);
    bench.drive(timings.leaseSilenceMs + timings.windowMs + timings.slotFillMs);
    const levelUnder = (rules: number) => {
      const machine = new Controller(bench.paper.controller.id, bench.paper.idp.id);
      for (const { event, now } of bench.journal) machine.handle(event, now, rules);
      return summaryOf(machine.state, machine.state.index.get(run) ?? bench.facts(run));
    };
    expect([1, 2].map((rules) => levelUnder(rules).level)).toEqual(['disputed', 'unfinished']);
    // It is shown by the reason.
    expect(accountOf(levelUnder(1)).state).toBe('unfinished');
  });

  it('since nobody could take a slot says so, with what each of them lacked', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const run = await bench.submit(none);
    const { offerId } = bench.run(run).rounds[0] ?? { offerId: '' };
    const pass = (name: string, reason: string) =>
      bench.send({ kind: 'passed', worker: bench.id(name), offer: offerId, reason });
    pass('ada', 'the job wants 64 cpus, the host lends 2');
    expect(bench.durability).toBe('lazy');
    // Once per operator, of those who are enrolled, while the offer is open.
    for (const [name, reason] of [
      ['ada', 'busy'],
      ['stranger', 'busy'],
    ] as const) {
      pass(name, reason);
      expect(bench.durability).toBe('none');
    }
    expect(bench.progress(run, 'passed')).toMatchObject([
      { round: 1, operator: 'ada', reason: 'the job wants 64 cpus, the host lends 2' },
    ]);
    bench.drive(timings.windowMs + timings.slotFillMs);
    expect(summaryOf(bench.controller.state, bench.facts(run))).toMatchObject({
      level: 'unfinished',
      reason: 'not-taken',
    });
    bench.replay();
    expect(summaryOf(bench.controller.state, bench.facts(run))).toMatchObject({
      level: 'unfinished',
      reason: 'not-taken',
    });
  });

  it('is no reason of a run that has a verdict', async () => {
    const { bench, run, leases } = await leasedRound(none);
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', ending: null });
    expect(summaryOf(bench.controller.state, bench.facts(run))).not.toHaveProperty('reason');
  });

  it('opens a new round with operators that took part in none', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } }, 'dan', 'eve', 'flo');
    await deliverAll(bench, leases, [built, other, failed]);
    expect(bench.offer.round).toBe(2);
    const second = await bench.lease('dan', 'eve', 'flo');
    await deliverAll(bench, second, []);
    bench.pinned(run);
    expect(bench.result(run).level).toBe('trusted');
  });

  it('is disputed when too few operators are left to agree', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } }, 'dan');
    await deliverAll(bench, leases, [built, other, failed]);
    expect(bench.result(run)).toMatchObject({ level: 'disputed', state: 'done' });
  });

  it('is disputed when no round is left', async () => {
    const { bench, run, leases } = await leasedRound(
      { policy: { cosign: 'none', rounds: 1 } },
      'dan',
      'eve',
      'flo',
    );
    await deliverAll(bench, leases, [built, other, failed]);
    expect(bench.result(run).level).toBe('disputed');
  });

  it.each(['none', 'required'] as const)(
    'about the files of a tree is no verdict (cosign %s)',
    async (cosign) => {
      const { bench, run, leases } = await leasedRound({ policy: { cosign, agree: 3 } });
      for (const [n, key] of trio.entries())
        await bench.deliver(key, leases.get(key), built, {
          files: [{ path: 'a', sha256: String(n).repeat(64) }],
        });
      expect(bench.result(run)).toMatchObject({ level: 'disputed', ending: 'files-differ' });
    },
  );

  it('names the files, whose hashes differ or which only some have', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none', rounds: 1 } });
    const file = (path: string, digit: string) => ({ path, sha256: digit.repeat(64) });
    const same = file('same', '0');
    await bench.deliver('ada', leases.get('ada'), built, { files: [file('bin/app', '1'), same] });
    await bench.deliver('bob', leases.get('bob'), other, { files: [file('bin/app', '2'), same] });
    await bench.deliver('cy', leases.get('cy'), treeC, { files: [file('extra', '3'), same] });
    expect(bench.progress(run, 'differs')).toEqual([
      { kind: 'differs', round: 1, files: ['bin/app', 'extra'], count: 2 },
    ]);
  });

  it('with the trusted worker about the files of a tree contradicts it', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await bench.deliver('trusted', trusted, built, { files: [{ path: 'a', sha256: 'f'.repeat(64) }] });
    expect(bench.all('cosign')).toEqual([]);
    expect(bench.result(run)).toMatchObject({ level: 'disputed', ending: 'contradicted' });
  });

  it('of one with the files leaves those of the others in the verdict', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    for (const [n, key] of [...leases.keys()].entries())
      await bench.deliver(key, leases.get(key), built, {
        files: [{ path: 'a', sha256: (n === 0 ? '0' : '1').repeat(64) }],
      });
    bench.pinned(run);
    expect(bench.result(run).verdict?.subject.slice(1)).toEqual([
      { name: 'a', digest: { sha256: '1'.repeat(64) } },
    ]);
  });
});

describe('pinning', () => {
  it('is tried again for a while, from all who agree', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    await deliverAll(bench, leases, [built, built, other]);
    bench.pinned(run, false);
    bench.drive(timings.pinRetryMs);
    expect(bench.all('pin')).toHaveLength(2);
    expect(bench.all('pin')[1]?.from.length).toBe(2);
    bench.pinned(run, true);
    expect(bench.result(run).level).toBe('trusted');
  });

  it("that fails for good makes the artifact nobody's: others build", async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } }, 'dan', 'eve');
    await deliverAll(bench, leases, [built, built, other]);
    for (let n = 0; n < timings.pinTriesMax; n++) {
      bench.pinned(run, false);
      bench.drive(timings.pinRetryMs);
    }
    expect(bench.progress(run, 'pin-failed')).toMatchObject([{ artifact: A }]);
    expect(bench.offer.round).toBe(2);
  });

  it('that fails for good hides no contradiction: consumers count what nobody serves', async () => {
    const { bench, run, leases, trusted } = await leasedRound({ policy: { rounds: 1 } });
    await deliverAll(bench, leases, [built, built, other]);
    await bench.deliver('trusted', trusted, other);
    for (let n = 0; n < timings.pinTriesMax; n++) {
      bench.pinned(run, false);
      bench.drive(timings.pinRetryMs);
    }
    expect(bench.result(run)).toMatchObject({ level: 'disputed' });
    expect(await verified(bench, run)).toBe('none');
  });

  it('of something else than is wanted says nothing', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    await deliverAll(bench, leases, []);
    bench.send({ kind: 'pinned', run, artifact: treeCid('else'), ok: true, detail: '' });
    expect(bench.run(run).phase.kind).toBe('pinning');
  });
});

describe("the request's time", () => {
  it('is up while a round is sealed: it is revealed, its workers are let go, and it is unfinished', async () => {
    const { bench, run, leases } = await leasedRound({ seconds: 20 });
    await bench.deliver('ada', leases.get('ada'));
    bench.drive(20_000);
    expect(bench.result(run)).toMatchObject({ level: 'unfinished', ending: 'too-few', state: 'done' });
    expect(bench.all('reveal').map(({ worker }) => worker)).toContain(bench.id('ada'));
    expect(bench.all('release').map(({ worker }) => worker)).toEqual(
      expect.arrayContaining(['bob', 'cy', 'trusted'].map((key) => bench.id(key))),
    );
    expect(bench.controller.state.leases.size).toBe(0);
    expect(bench.controller.state.offers.size).toBe(0);
    const late = leases.get('bob');
    if (late === undefined) throw new Error('bob had a lease');
    expect(bench.resume('bob', late)).toMatchObject([{ reply: { code: 'LEASE_LOST' } }]);
    expect(await bench.deliver('bob', late)).toMatchObject({ code: 'RECEIPT_STALE_FENCE' });
  });

  it('is up after an agreement: that stands, and everybody is let go', async () => {
    const { bench, run, leases, trusted } = await leasedRound({ seconds: 20 });
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    bench.drive(20_000);
    expect(bench.result(run)).toMatchObject({ level: 'agreed', state: 'done' });
    expect(bench.all('release')).toMatchObject([{ lease: trusted?.id, code: 'RUN_OVER' }]);
  });

  it('is up after an agreement: whoever follows the run is told', async () => {
    const { bench, leases } = await leasedRound({ seconds: 20 });
    await deliverAll(bench, leases, []);
    bench.pinned([...bench.controller.state.runs.keys()][0] ?? '');
    const out = bench.drive(20_000);
    expect(out.filter(({ kind }) => kind === 'progress')).toMatchObject([
      { progress: { kind: 'unconfirmed' } },
    ]);
  });

  it('is up after an agreement whose trusted slot was leased and lost as often as it can be', async () => {
    const { bench, run, leases } = await leasedRound({ seconds: 3600 });
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    for (let n = 0; n < 10 && bench.run(run).trusted.kind !== 'expired'; n++) {
      bench.drive(timings.leaseSilenceMs + 1_000);
      await bench.claim('trusted');
    }
    expect(bench.run(run).trusted.kind).toBe('expired');
    bench.drive(3_700_000);
    expect(bench.result(run)).toMatchObject({ level: 'agreed', state: 'done' });
    bench.replay();
    expect(bench.result(run)).toMatchObject({ level: 'agreed', state: 'done' });
  });

  it('is up while the co-signature is awaited: the verdict is the agreed one again', async () => {
    const { bench, run, leases, trusted } = await leasedRound({ seconds: 20 });
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    expect(draftOf(bench.controller.state, run)?.verdict.predicate.quorate_verdict.level).toBe('trusted');
    bench.drive(20_000);
    expect(publishedParts(bench.controller.state, run)?.verdict.predicate.quorate_verdict.level).toBe(
      'agreed',
    );
    expect(bench.all('reveal').at(-1)?.worker).toBe(bench.id('trusted'));
  });

  it('is up after the trusted worker could not build what was agreed: that failed, it built nothing else', async () => {
    const { bench, run, leases, trusted } = await leasedRound({ seconds: 20 }, 'dan', 'eve');
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    await bench.deliver('trusted', trusted, failed);
    bench.drive(20_000);
    expect(bench.result(run)).toMatchObject({ level: 'disputed', ending: 'trusted-failed' });
  });

  it('is up after what was agreed had been contradicted: disputed', async () => {
    const { bench, run, leases, trusted } = await leasedRound({ seconds: 20 }, 'dan', 'eve');
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    await bench.deliver('trusted', trusted, other);
    bench.drive(20_000);
    expect(bench.result(run)).toMatchObject({ level: 'disputed', ending: 'contradicted' });
  });
});

describe('a request', () => {
  it('below the floor of the charter is refused', async () => {
    const bench = new Bench();
    await bench.start({ floor: { agree: 2, of: 3, cosign: 'required', rounds: 3 } });
    await expect(bench.submit({ policy: { cosign: 'none' } })).rejects.toThrow('POLICY_BELOW_FLOOR');
  });

  it('from somebody who is no publisher is refused', async () => {
    const bench = await projectOf('ada');
    await expect(bench.submit({ as: 'ada' })).rejects.toThrow('GRANT_ROLE_MISMATCH');
  });

  it('sent twice is one run', async () => {
    const bench = await projectOf('ada');
    expect(await bench.submit()).toBe(await bench.submit());
    expect(bench.controller.state.runs.size).toBe(1);
  });
});
