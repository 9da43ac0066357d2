import { describe, expect, it } from 'vitest';
import { exited, jobNamed, treeCid } from '../../../simulations/paperwork.ts';
import { Transition } from '../../../src/controller/machine/state.ts';
import {
  bundleBytesOf,
  checkEvidenceSize,
  crowdedOut,
  crowdedOutSays,
  evidenceBytesOf,
  hasRoom,
} from '../../../src/controller/machine/verdicts/evidence-size.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { decodeBundle, encodeBundle, encodeJob } from '../../../src/protocol/documents/index.ts';
import { receiptShareOf, roundBytesMaxOf, runBytesMaxOf } from '../../../src/protocol/judge/index.ts';
import { cidOf, exit, makeJob, makeProject, policy } from '../../support/project.ts';
import { ask, build } from './asked-again.ts';
import { A, B, type Bench, projectOf } from './bench.ts';
import { agree, lease, operators, publish, source } from './pipelines.ts';

const bounds = makeJob().limits;
const filesOf = (count: number, chars: number) =>
  Array.from({ length: count }, (_, n) => ({
    path: `${n}/`.padEnd(chars, 'x'),
    sha256: cidOf(`${n}`).length.toString(16).padStart(64, '0'),
  }));

describe('the estimated size of a run in a bundle', () => {
  it('is at least the actual size, where each of several rounds lists all files that the job allows', async () => {
    const job = { limits: { ...bounds, files: 300 } };
    const files = filesOf(300, 200);
    const runs = [1, 2].flatMap((round) =>
      ['ada', 'bob', 'cyd'].map((name, n) => ({
        operator: `${name}${round}`,
        round,
        builds: round === 2 || n === 0 ? 'good' : `other ${n}`,
      })),
    );
    const { bundle } = await makeProject({ job, files, runs, policy: { ...policy, rounds: 2 } });
    const jobBytes = encodeJob(makeJob(job)).bytes.length;
    const bytes = encodeBundle(bundle).length;
    const receipts = bundle.receipts.reduce((sum, { envelope }) => sum + receiptShareOf(envelope.length), 0);
    expect(bundle.receipts).toHaveLength(7);
    expect(bytes).toBeLessThan(runBytesMaxOf(job, jobBytes) + receipts);
    expect(receipts).toBeLessThan(2 * roundBytesMaxOf(job, { of: 3, cosign: 'required' }));
    // The bound is no more than twice what such a run comes to: else it refused what could be read.
    expect(
      runBytesMaxOf(job, jobBytes) + 2 * roundBytesMaxOf(job, { of: 3, cosign: 'required' }),
    ).toBeLessThan(2 * bytes + 600_000);
  });

  it('holds the proofs of a log of a thousand million leaves', () => {
    const path = Array.from({ length: 30 }, () => 'f'.repeat(64));
    const entry = { leaf: `receipt ${'a'.repeat(64)} offer ${'b'.repeat(64)}`, index: 1, path };
    expect(JSON.stringify(entry).length).toBeLessThan(receiptShareOf(0) / 4);
  });
});

const job = (name: string, over: Parameters<Bench['submit']>[0] = {}) => ({ name, job: { source }, ...over });
const small = { source, limits: { ...bounds, files: 1 } };

describe('a pipeline whose evidence nobody could read', () => {
  const needsOf = (runs: readonly string[]) =>
    Object.fromEntries(runs.map((request, n) => [`lib-${n}`, { request, level: 'trusted' as const }]));

  it('is refused when it is published, as soon as one job more could make it too large', async () => {
    const bench = await projectOf();
    const runs: string[] = [];
    for (let n = 0; n < 14; n++) runs.push(await bench.submit(job(`lib-${n}`)));
    const app = (of: readonly string[]) => bench.submit(job('app', { needs: needsOf(of) }));
    await expect(app(runs)).rejects.toThrow('EVIDENCE_TOO_LARGE');
    // The part of the first rounds that is in by then is a part of their worst case.
    for (const id of runs.slice(1)) {
      const run = bench.run(id);
      run.evidence = {
        ...run.evidence,
        receipts: roundBytesMaxOf({ limits: bounds }, { of: 3, cosign: 'required' }) / 2,
      };
    }
    await expect(app(runs.slice(1))).resolves.toBeTruthy();
  });

  it('is refused where it rests on more jobs than a bundle may hold, however little they make', async () => {
    const bench = await projectOf();
    const middle: string[] = [];
    for (let m = 0; m < 2; m++) {
      const runs: string[] = [];
      for (let n = 0; n < 49; n++) runs.push(await bench.submit(job(`lib-${m}-${n}`, { job: small })));
      middle.push(await bench.submit(job(`middle-${m}`, { job: small, needs: needsOf(runs) })));
    }
    const app = (of: string[]) => bench.submit(job('app', { job: small, needs: needsOf(of) }));
    await expect(app(middle)).resolves.toBeTruthy();
    const one = await bench.submit(job('one more', { job: small }));
    await expect(app([...middle, one])).rejects.toThrow(/EVIDENCE_TOO_LARGE.*over 100 jobs/);
  });

  it('is refused of one job alone, whose single round could be too large', async () => {
    const bench = await projectOf();
    const large = { source, limits: { ...bounds, files: limits.outputFilesMax } };
    await expect(bench.submit(job('large', { job: large, policy: { agree: 5, of: 8 } }))).rejects.toThrow(
      'EVIDENCE_TOO_LARGE',
    );
    await expect(bench.submit(job('large', { job: large }))).resolves.toBeTruthy();
  });
});

describe('a further round', () => {
  /** Three operators disagree about an input, of which there is as much evidence as is said. */
  async function disagree(evidenceBytes: number, reader = 'publisher') {
    const bench = await projectOf(...operators);
    if (reader !== 'publisher') await bench.enrol(reader, { role: 'publisher' });
    const lib = await bench.submit(job('lib'));
    const app = await bench.submit(
      job('app', { as: reader, needs: { lib: { request: lib, level: 'agreed' } } }),
    );
    const run = bench.run(lib);
    run.evidence = { ...run.evidence, receipts: evidenceBytes };
    const keys = ['ada', 'bob', 'cy'];
    const leases = await lease(bench, lib, ...keys);
    for (const [n, [key, held]] of leases.entries())
      await bench.deliver(key, held, exited([A, B, treeCid('c')][n] ?? A));
    return { bench, lib, app };
  }
  it('is opened while the bundles of all that rests on the run stay readable', async () => {
    const { bench, lib } = await disagree(0);
    expect(bench.facts(lib).rounds).toHaveLength(2);
    await agree(bench, lib, exited(A), ['dan', 'eve', 'fay']);
    expect(bench.result(lib).level).toBe('agreed');
  });
  const sizes = { limits: bounds };
  // Leaves room for less than one round.
  const two = 2 * runBytesMaxOf(sizes, 0) + 2 * roundBytesMaxOf(sizes, { of: 3, cosign: 'required' });
  it('is opened whatever another publisher has rest on the run: that ends, and says why', async () => {
    const { bench, lib, app } = await disagree(limits.bundleBytesMax - two, 'mallory');
    expect(bench.facts(lib).rounds).toHaveLength(2);
    expect(bench.facts(app).phase).toMatchObject({ kind: 'cancelled', reason: crowdedOutSays });
    await agree(bench, lib, exited(A), ['dan', 'eve', 'fay']);
    expect(bench.result(lib).level).toBe('agreed');
  });
  it('nor does that keep a run from an answer with the evidence of an earlier one', async () => {
    const bench = await projectOf(...operators);
    await bench.enrol('mallory', { role: 'publisher' });
    const pipeline = async (rebuild: boolean) => {
      const lib = await ask(bench, { name: 'lib', rebuild });
      const needs = { lib: { request: lib, level: 'trusted' as const } };
      return [lib, await ask(bench, { name: 'app', needs })] as const;
    };
    const [lib, app] = await pipeline(false);
    for (const run of [lib, app]) await build(bench, run);
    const [again, second] = await pipeline(true);
    const needs = { app: { request: second, level: 'trusted' as const } };
    const evil = await bench.submit(job('evil', { as: 'mallory', needs }));
    // Room for the earlier run and what it reads, and not for one job more.
    const run = bench.run(second);
    const taken = run.evidence.own + bundleBytesOf(bench.facts(app)) + two / 2 + 100_000;
    run.evidence = { ...run.evidence, receipts: limits.bundleBytesMax - taken };
    await build(bench, again);
    expect(bench.facts(second).phase.kind).toBe('answering');
    bench.pinned(second);
    expect(bench.progress(second, 'answered')).toMatchObject([{ earlier: app }]);
    expect(bench.facts(evil).phase).toMatchObject({ kind: 'cancelled', reason: crowdedOutSays });
  });
  it('is not where they would not: the run ends, and says why', async () => {
    const { bench, lib, app } = await disagree(limits.bundleBytesMax - two);
    expect(bench.facts(lib).rounds).toHaveLength(1);
    expect(bench.result(lib)).toMatchObject({ level: 'disputed', ending: 'results-differ' });
    expect(bench.progress(lib, 'unconfirmed')[0]?.says).toContain('no further round');
    expect(bench.result(app).state).toBe('cancelled');
  });
});

describe('the evidence of a run', () => {
  it('may be as large as a bundle that is read, and not a byte larger', async () => {
    const bench = await projectOf();
    const { state } = bench.controller;
    const lib = bench.run(await publish(bench, 'lib'));
    const work = jobNamed('app', { source });
    const needs = { lib: { request: lib.id, level: 'agreed' as const } };
    const policy = { agree: 2, of: 3, cosign: 'required', rounds: 2 } as const;
    const request = await bench.paper.request('publisher', work, bench.now, { policy, needs });
    const round = roundBytesMaxOf(work.job, policy);
    const room = 64 * 1024 * 1024 - evidenceBytesOf(work).own - 2 * round;
    lib.evidence = { own: room, receipts: 0 };
    expect(() => checkEvidenceSize(state, { job: work.job, request })).not.toThrow();
    lib.evidence = { own: room + 1, receipts: 0 };
    expect(() => checkEvidenceSize(state, { job: work.job, request })).toThrow(/may come to/);
  });

  it('has room for so much more', async () => {
    const bench = await projectOf();
    const run = bench.run(await publish(bench, 'lib'));
    const room = 64 * 1024 * 1024 - bundleBytesOf(run);
    const transition = new Transition(bench.controller.state, 0, 3);
    const has = (more: number) => hasRoom(transition, run, more);
    expect([has(room), has(room + 1)]).toEqual([true, false]);
    // Runs of the same publisher that rest on it are not ended for it.
    expect(crowdedOut(transition, run, room + 1)).toEqual([]);
  });
});

it('control: a bundle that is larger is read by nobody', async () => {
  const { bundle } = await makeProject({ outcome: exit('good') });
  const { inputs: _, ...own } = bundle;
  const envelope = 'x'.repeat(limits.receiptBytesMax);
  const receipts = Array.from({ length: 8 }, () => ({ envelope, lease: 'l', grant: 'g' }));
  expect(() => decodeBundle(encodeBundle({ ...own, receipts }))).toThrowError(
    expect.objectContaining({ code: 'DOC_TOO_LARGE' }),
  );
});
