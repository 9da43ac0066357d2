import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import type { Bundle } from '../../../src/protocol/documents/index.ts';
import { InputBundles, LogView, verifyInputs } from '../../../src/protocol/trust/index.ts';
import type { Revoked } from '../../../src/protocol/trust/revocations.ts';
import {
  exit,
  log,
  makeJob,
  makeProject,
  type Project,
  policy,
  project,
  type Recipe,
} from '../../support/project.ts';
import { verifyWithout, withoutCosign } from './attack.ts';

const open = { ...policy, cosign: 'none' } as const;
const builds = (name: string): Recipe => ({
  job: { name },
  runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: name })),
  own: { operator: 'owner', builds: name },
});
/** N operators agree, and no trusted worker has built. */
const agreedOnly = (name: string): Recipe => ({ ...builds(name), own: null, level: 'agreed' });
/** A test that needs no co-signature, of a charter that allows that. */
const test: Recipe = {
  job: { name: 'test', kind: 'test' },
  own: null,
  policy: open,
  charter: (charter) => ({ ...charter, testFloor: { ...withoutCosign, agree: 2, of: 3, rounds: 2 } }),
};
const { charter = (same) => same } = test;

/** Each bundle is refused with the code, and is trusted where that guard is off. */
async function holdsOff(code: string, recipe: Recipe, also: readonly string[] = []) {
  const { bundle } = await makeProject(recipe);
  expect(await verifyWithout([], bundle)).toMatchObject({ ok: false, level: 'none', code });
  expect(await verifyWithout([code, ...also], bundle)).toMatchObject({ ok: true, level: 'trusted' });
}

describe('a controller that lets a job rest on something else than its request says', () => {
  it('on an input below the level that was asked for', async () => {
    const lib = await makeProject(agreedOnly('lib'));
    await holdsOff('INPUT_BELOW_LEVEL', { reads: { lib: { from: lib } } }, ['inputs', 'INPUTS_NOT_TRUSTED']);
  });

  it('on the verdict of another instance of the same matrix, which made the same bytes', async () => {
    const gcc = await makeProject({ ...agreedOnly('lib'), job: { name: 'lib.gcc' } });
    const clang = await makeProject({ ...builds('lib'), job: { name: 'lib.clang' } });
    expect(clang.artifact).toBe(gcc.artifact);
    const evidence = { inputs: [clang.bundle] };
    const bundle: Recipe['bundle'] = (valid) => ({ ...valid, ...evidence });
    await holdsOff('INPUT_EVIDENCE_MISSING', { reads: { lib: { from: gcc } }, bundle });
  });

  it('on the verdict of a laxer job, which made the same bytes', async () => {
    const lib = await makeProject(agreedOnly('lib'));
    const laxer = await makeProject({ ...builds('lib'), job: { name: 'laxer' }, own: null, policy: open });
    expect([laxer.artifact, (await verifyWithout([], laxer.bundle)).level]).toEqual([
      lib.artifact,
      'trusted',
    ]);
    const bundle: Recipe['bundle'] = (valid) => ({ ...valid, inputs: [laxer.bundle] });
    await holdsOff('INPUT_EVIDENCE_MISSING', { reads: { lib: { from: lib } }, bundle });
  });

  it('on what was built of another commit', async () => {
    const lib = await makeProject(builds('lib'));
    const commit = 'e'.repeat(40);
    const { source } = makeJob();
    await holdsOff('INPUT_SOURCE_MISMATCH', {
      reads: { lib: { from: lib } },
      job: { source: { ...source, commit } },
      request: (request) => ({ ...request, commit }),
    });
  });

  it('on what a test put out, however trusted', async () => {
    const from = await makeProject({ ...builds('lib'), job: { name: 'test', kind: 'test' } });
    await holdsOff('ARTIFACT_OF_TEST', { reads: { test: { from } } });
  });

  it('on an input under a policy below the floor', async () => {
    const weak: Recipe = {
      job: { name: 'lib' },
      own: null,
      policy: { agree: 1, of: 1, cosign: 'none', rounds: 1 },
      runs: [{ operator: 'mallory', builds: 'lib' }],
    };
    const lib = await makeProject(weak);
    const { bundle } = await makeProject({ reads: { lib: { from: lib } } });
    const refused = await verifyWithout([], bundle);
    expect(refused).toMatchObject({ ok: false, code: 'INPUT_NOT_VERIFIED' });
    expect(refused.steps.at(-1)?.says).toContain('weaker than the floor');
    expect(await verifyWithout(['POLICY_BELOW_FLOOR'], bundle)).toMatchObject({ level: 'trusted' });
  });

  it('on a test that needs the co-signature and was passed by N colluders', async () => {
    const colluding = { ...agreedOnly('green'), job: { name: 'test', kind: 'test' as const } };
    const from = await makeProject({ ...colluding, level: 'trusted' });
    const { bundle } = await makeProject({ reads: { test: { from, gate: true } } });
    const refused = await verifyWithout([], bundle);
    expect(refused).toMatchObject({ ok: false, code: 'INPUT_NOT_VERIFIED' });
    expect(refused.steps.at(-1)?.says).toContain('do not bear that out');
    const guards = ['co-signature', 'COSIGN_MISSING', 'WITNESS_MISSING'];
    expect(await verifyWithout(guards, bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });
});

describe('a failure on bytes that are not trusted', () => {
  /** A majority tampered with what is tested, so that it fails. */
  const blocked = async () => {
    const lib = await makeProject({ ...agreedOnly('evil-lib'), charter });
    const runs = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome: exit(null, 1) }));
    return makeProject({ ...test, runs, reads: { lib: { from: lib, level: 'agreed' } } });
  };
  it('is no verdict "failed", whoever signs one', async () => {
    const { bundle } = await blocked();
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: false, code: 'INPUTS_NOT_TRUSTED' });
  });
  it('control: blocks the test where the level of inputs is not looked at', async () => {
    const { bundle } = await blocked();
    expect(await verifyWithout(['INPUTS_NOT_TRUSTED'], bundle)).toMatchObject({ ok: true, level: 'failed' });
  });
});

describe('a dependant that outlives its input', () => {
  const since = 0;
  const revoked = async (what: 'job' | 'operator') => {
    const lib = await makeProject(builds('lib'));
    const app = await makeProject({ reads: { lib: { from: lib } }, after: lib });
    const id = what === 'job' ? lib.jobId : 'owner';
    return { ...app, revocations: [{ what: { kind: what, id }, since, reason: 'bad', byRoot: true }] };
  };
  it('is refused by a consumer that knows of the revocation', async () => {
    const { bundle, revocations } = await revoked('job');
    expect((await verifyWithout([], bundle)).level).toBe('trusted');
    expect(await verifyWithout([], bundle, { revocations })).toMatchObject({
      ok: false,
      code: 'INPUT_NOT_VERIFIED',
    });
  });
  it('is not signed by a trusted worker: a controller cannot promote it under an older list', async () => {
    const { draft, leaves, revocations } = await revoked('job');
    const all = { leaves, revocations };
    expect(await verifyWithout([], draft, { log: LogView.of(leaves) }, 'draft')).toMatchObject({
      ok: true,
      level: 'trusted',
    });
    expect(await verifyWithout([], draft, all, 'draft')).toMatchObject({ code: 'INPUT_NOT_VERIFIED' });
  });
  it('control: stands where revocations are not looked at', async () => {
    const { bundle, draft, leaves, revocations } = await revoked('job');
    const off = ['key-revoked'];
    expect(await verifyWithout(off, bundle, { revocations })).toMatchObject({ ok: true, level: 'trusted' });
    expect(await verifyWithout(off, draft, { log: LogView.of(leaves), revocations }, 'draft')).toMatchObject({
      ok: true,
    });
  });
});

describe('a controller that asks for an input again until it likes the answer', () => {
  /** A failed round of the test is in the log, and left out of the test's evidence. */
  async function asked(): Promise<Project> {
    const from = await makeProject({
      ...test,
      log: (lines) => {
        const at = lines.findIndex((line) => line.startsWith('offer '));
        const [, job = '', request = ''] = /job (\S+) request (\S+)$/.exec(lines[at] ?? '') ?? [];
        const hidden = `offer ${'1'.repeat(64)} job ${job} request ${request}`;
        // Right before the verdict, so that the indexes of the others are right.
        return [...lines.slice(0, -1), hidden, ...lines.slice(-1)];
      },
    });
    return makeProject({ reads: { test: { from, gate: true } }, charter, after: from });
  }
  it('the trusted worker finds the round of the input in the log, and signs nothing that rests on it', async () => {
    const { draft, leaves } = await asked();
    const refused = await verifyWithout([], draft, { log: LogView.of(leaves) }, 'draft');
    expect(refused).toMatchObject({ ok: false, code: 'INPUT_NOT_VERIFIED' });
    expect(refused.steps.at(-1)?.says).toContain('a round of this request that the bundle leaves out');
  });
  it('control: it signs where only rounds of the bundle are looked for', async () => {
    const { draft, leaves } = await asked();
    const weak = await verifyWithout(['OFFER_DROPPED'], draft, { log: LogView.of(leaves) }, 'draft');
    expect(weak).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('nor is the evidence of an input taken from another log than the one that is signed', async () => {
    const from = await makeProject({ ...test, runs: [...'abc'].map((operator) => ({ operator })) });
    const { draft, leaves } = await makeProject({ reads: { test: { from, gate: true } }, charter });
    expect(await verifyWithout([], draft, { log: LogView.of(leaves) }, 'draft')).toMatchObject({
      code: 'INPUT_NOT_VERIFIED',
    });
    const off = ['LOG_LEAVES_MISMATCH', 'ENROLMENT_NOT_LOGGED', 'OFFER_DROPPED'];
    expect(await verifyWithout(off, draft, { log: LogView.of(leaves) }, 'draft')).toMatchObject({ ok: true });
  });
});

const gathered = (bundles: readonly Bundle[]) => {
  const all = new InputBundles();
  for (const bundle of bundles) all.add(bundle);
  return all;
};

describe('the evidence that a worker asks for before it builds', () => {
  it('is held once of each run, and no more than a bundle may hold: a controller could send it 64 of the largest', async () => {
    const { bundle } = await makeProject(builds('lib'));
    const envelope = 'x'.repeat(limits.receiptBytesMax);
    const large = (n: number): Bundle => ({
      ...bundle,
      request: `${n}`,
      receipts: Array.from({ length: 4 }, () => ({ envelope, lease: 'l', grant: 'g' })),
    });
    expect(gathered([large(1), large(1), { ...bundle, inputs: [large(1), bundle] }]).all).toHaveLength(2);
    expect(() => gathered([large(1), large(2)])).toThrowError(
      expect.objectContaining({ code: 'INPUT_EVIDENCE_TOO_LARGE' }),
    );
    const many = Array.from({ length: limits.bundleInputsMax + 2 }, (_, n) => ({
      ...bundle,
      request: `${n}`,
    }));
    expect(() => gathered(many)).toThrowError(expect.objectContaining({ code: 'INPUT_EVIDENCE_TOO_LARGE' }));
  });

  it('does not stand on a log that tells two stories', async () => {
    const lib = await makeProject(agreedOnly('lib'));
    const needs = { lib: { request: lib.request.id, level: 'agreed' as const } };
    const order = {
      request: { payload: { ...lib.request.payload, needs } },
      job: { inputs: { lib: lib.artifact ?? '' } },
    };
    const fork = {
      what: { kind: 'log', id: log.id, whole: false },
      since: 0,
      reason: 'two',
      byRoot: false,
    } as const;
    const verified = (revocations: Revoked[]) =>
      verifyInputs(gathered([lib.bundle]), order, { project, revocations }, joseVerifier);
    await expect(verified([fork])).rejects.toMatchObject({ code: 'LOG_EQUIVOCATED' });
    // Control: without the evidence of it, it does.
    expect(await verified([])).toEqual({ lib: 'agreed' });
  });

  it('is that of each input as it is now, and not as it was when another one rested on it', async () => {
    const before = await makeProject(agreedOnly('lib'));
    const tests = await makeProject({
      job: { name: 'test' },
      own: null,
      policy: open,
      level: 'agreed',
      reads: { lib: { from: before, level: 'agreed' } },
    });
    const now = await makeProject(builds('lib'));
    expect(now.request.id).toBe(before.request.id);
    const needs = {
      lib: { request: now.request.id, level: 'trusted' as const },
      test: { request: tests.request.id, level: 'agreed' as const, gate: true as const },
    };
    const { payload } = now.request;
    const order = {
      request: { payload: { ...payload, needs } },
      job: { inputs: { lib: now.artifact ?? '' } },
    };
    for (const bundles of [
      [now.bundle, tests.bundle],
      [tests.bundle, now.bundle],
    ])
      expect(await verifyInputs(gathered(bundles), order, { project }, joseVerifier)).toEqual({
        lib: 'trusted',
        test: 'agreed',
      });
  });
});
