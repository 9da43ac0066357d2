import { beforeEach, expect, it, vi } from 'vitest';
import { FollowedRun } from '../../../src/client/commands/next-steps.ts';
import {
  commandLimits,
  proofOf,
  RunProofs,
  type ToldRun,
} from '../../../src/client/commands/run-evidence.ts';
import { openRevocationBook } from '../../../src/node/membership/revocation-file.ts';
import { Patience } from '../../../src/node/patience.ts';
import { codeOf, QuorateError } from '../../../src/protocol/base/errors.ts';
import { type Bundle, claimedPayloadOf, type Request } from '../../../src/protocol/documents/index.ts';
import { Output } from '../../../src/terminal/output.ts';
import { sink } from '../../cli/screen.ts';
import { folder } from '../../cli/support.ts';
import { makeAnswer } from '../../support/answers.ts';
import {
  cidOf,
  exit,
  makeProject,
  project,
  revocationBy,
  root,
  trusted as tower,
} from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';

beforeEach(() => withLimits(commandLimits, { askAgainMs: 20 }));

const none = (): never => {
  throw new QuorateError('BUNDLE_NOT_FOUND', 'no');
};

const contextAt = (home: string) => ({
  home,
  out: new Output(sink(), sink(), { json: false, colour: false }),
});
const soon = () => AbortSignal.timeout(60_000);

/** A project whose run this command published: asked for, and shown bundle after bundle, the last one again and again. */
async function proof(
  { request, artifact }: { request: { id: string; payload: Request }; artifact: string | null },
  shown: (Bundle | (() => never))[],
  {
    level = 'trusted' as 'trusted' | 'agreed' | 'failed',
    said = {},
    asked = {},
    home = '',
    signal = soon(),
  } = {},
) {
  const left = [...shown];
  const bundle = async () => {
    const next = left.length > 1 ? left.shift() : left[0];
    return { bundle: typeof next === 'function' ? next() : (next as Bundle), text: '' };
  };
  const { job, repo, ref, commit, recipe, policy, needs } = request.payload;
  const published = { run: request.id, asked: { job, repo, ref, commit, recipe, policy, needs, ...asked } };
  const context = contextAt(home === '' ? folder() : home);
  const told = { job: published, verdict: { level, artifact, ...said } };
  const why = (await proofOf(context, { bundle, project }, [told], signal)).get(told)?.why;
  return why === undefined ? 'proven' : codeOf(why);
}

it('a run is proven by its own evidence, at the level that is waited for or a higher one', async () => {
  const trusted = await makeProject();
  expect(await proof(trusted, [trusted.bundle])).toBe('proven');
  expect(await proof(trusted, [trusted.bundle], { level: 'agreed' })).toBe('proven');
  const agreed = await makeProject({ own: null, level: 'agreed' });
  expect(await proof(agreed, [agreed.bundle], { level: 'agreed' })).toBe('proven');
  const lib = await makeProject({ job: { name: 'lib' } });
  const reader = await makeProject({ reads: { lib: { from: lib } } });
  expect(await proof(reader, [reader.bundle])).toBe('proven');
});

it('so is a test without a co-signature, and a run that an earlier build answers', async () => {
  const job = { kind: 'test' } as const;
  const policy = { agree: 2, of: 3, cosign: 'none', rounds: 2 } as const;
  const tested = await makeProject({ job, policy, own: null });
  const said = { artifact: null, reports: tested.artifact };
  expect(await proof(tested, [tested.bundle], { said })).toBe('proven');
  const from = await makeProject();
  const { bundle, request: id } = await makeAnswer({ from, cosigner: tower });
  const payload = claimedPayloadOf('request', bundle.request);
  if (payload === undefined) throw new Error('no request');
  expect(await proof({ ...from, request: { id, payload } }, [bundle])).toBe('proven');
});

it('nor is another artifact than that of the evidence, or what a test put out as one', async () => {
  withLimits(commandLimits, { storedMsMax: 0 });
  const published = await makeProject();
  for (const said of [{ artifact: cidOf('other') }, { artifact: null }, { reports: cidOf('other') }])
    expect(await proof(published, [published.bundle], { said })).toBe('RUN_MISMATCH');
  const policy = { agree: 2, of: 3, cosign: 'none', rounds: 2 } as const;
  const tested = await makeProject({ job: { kind: 'test' }, policy, own: null });
  expect(await proof(tested, [tested.bundle])).toBe('RUN_MISMATCH');
});

it('a level above that of the evidence is not proven, where less was waited for', async () => {
  withLimits(commandLimits, { storedMsMax: 0 });
  const agreed = await makeProject({ own: null, level: 'agreed' });
  const followed = new FollowedRun(agreed.request.id);
  followed.take({ kind: 'verdict', level: 'trusted', artifact: agreed.artifact });
  const said = followed.reached('agreed');
  expect(said).toMatchObject({ level: 'trusted', artifact: agreed.artifact });
  expect(await proof(agreed, [agreed.bundle], said)).toBe('RUN_NOT_TRUSTED');
  // A verdict that is void is none.
  followed.take({ kind: 'revoked', artifact: agreed.artifact, what: 'key', id: 'x', since: 1, reason: 'r' });
  expect(followed.reached('agreed')).toBeUndefined();
  followed.take({ kind: 'restored', level: 'trusted', artifact: agreed.artifact, key: tower.id });
  expect(followed.reached('agreed')).toEqual(said);
});

it('it is not by evidence of less, of another request, or that does not hold', async () => {
  withLimits(commandLimits, { storedMsMax: 0 });
  const published = await makeProject();
  const agreed = await makeProject({ own: null, level: 'agreed' });
  expect(agreed.request.id).toBe(published.request.id);
  expect(await proof(published, [agreed.bundle])).toBe('RUN_NOT_TRUSTED');
  expect(await proof(published, [none])).toBe('BUNDLE_NOT_FOUND');
  const other = await makeProject({ request: (valid) => ({ ...valid, ref: 'refs/pull/1/head' }) });
  expect(await proof(published, [other.bundle])).toBe('RUN_MISMATCH');
  const { receipts } = published.bundle;
  expect(await proof(published, [{ ...published.bundle, receipts: receipts.slice(1) }])).not.toBe('proven');
});

it('an earlier run that stands for a job is not by a request for anything else', async () => {
  const published = await makeProject();
  const { policy } = published.request.payload;
  for (const asked of [
    { job: 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi' },
    { policy: { ...policy, of: policy.of + 2 } },
    { policy: { ...policy, cosign: 'none' as const } },
    { needs: { lib: { request: 'a'.repeat(64), level: 'trusted' } } },
    { recipe: { repo: 'r', commit: 'c'.repeat(40), path: 'p', sha256: 'a'.repeat(64) } },
    { commit: 'd'.repeat(40) },
  ])
    expect(await proof(published, [published.bundle], { asked })).toBe('RUN_MISMATCH');
});

it('another version of the client may have asked for other rounds of it', async () => {
  const published = await makeProject();
  const { policy } = published.request.payload;
  const asked = { policy: { ...policy, rounds: policy.rounds + 1 } };
  expect(await proof(published, [published.bundle], { asked })).toBe('proven');
});

it('it is not by what is revoked as this home knows', async () => {
  withLimits(commandLimits, { storedMsMax: 0 });
  const published = await makeProject();
  const home = folder();
  const book = await openRevocationBook(home, project, () => {});
  const revocation = await revocationBy(root, { kind: 'key', id: tower.id });
  await book.learn({ charters: [published.charter.raw], revocations: [revocation.raw] });
  expect(await proof(published, [published.bundle], { home })).toMatch(/REVOKED$/);
});

it('evidence that is stored after its verdict was told is waited for', async () => {
  const published = await makeProject();
  const { bundle: before } = await makeProject({ own: null, level: 'agreed' });
  expect(await proof(published, [none, before, published.bundle])).toBe('proven');
  const isVoid = { ...published.bundle, receipts: published.bundle.receipts.slice(1) };
  expect(await proof(published, [isVoid, published.bundle])).toBe('proven');
});

it('that of a run that ended before is not', async () => {
  const { request, artifact } = await makeProject();
  const bundle = vi.fn(async () => none());
  const job = { run: request.id, asked: request.payload };
  const told = { job, verdict: { level: 'trusted' as const, artifact } };
  const proofs = await proofOf(contextAt(folder()), { bundle, project }, [told], soon(), 0);
  expect([codeOf(proofs.get(told)?.why), bundle.mock.calls.length]).toEqual(['BUNDLE_NOT_FOUND', 1]);
});

it('that of several runs is waited for together', async () => {
  withLimits(commandLimits, { storedMsMax: 100, askAgainMs: 120 });
  const runs = await Promise.all(['a', 'b', 'c'].map((name) => makeProject({ job: { name } })));
  const asked: string[] = [];
  const bundle = async (which: string) => {
    asked.push(which);
    const of = runs.find(({ request }) => request.id === which);
    // The second one is there when it is asked for again.
    if (of !== runs[1] || asked.indexOf(which) === asked.length - 1) none();
    return { bundle: of?.bundle as Bundle, text: '' };
  };
  const told = runs.map(({ request: { id, payload }, artifact }) => ({
    job: { run: id, asked: payload },
    verdict: { level: 'trusted' as const, artifact },
  }));
  const proofs = await proofOf(contextAt(folder()), { bundle, project }, told, soon());
  const [a, b, c] = told.map(({ job: { run } }) => run);
  expect(asked).toEqual([a, b, c, a, b, c]);
  expect([...proofs].map(([{ job }, { why }]) => [job.run, why && codeOf(why)])).toEqual([
    [a, 'BUNDLE_NOT_FOUND'],
    [b, undefined],
    [c, 'BUNDLE_NOT_FOUND'],
  ]);
});

it('each run is verified while more is told, by its last verdict and once', async () => {
  const { request, artifact, bundle: last } = await makeProject();
  const { bundle: before } = await makeProject({ own: null, level: 'agreed' });
  const run = request.id;
  const asked: PromiseWithResolvers<{ bundle: Bundle; text: string }>[] = [];
  const next = Promise.withResolvers<void>();
  const bundle = () => {
    const one = Promise.withResolvers<{ bundle: Bundle; text: string }>();
    if (asked.push(one) === 2) next.resolve();
    return one.promise;
  };
  const told: string[] = [];
  const onProof = ({ verdict: { level } }: ToldRun) => told.push(level);
  const proofs = new RunProofs(contextAt(folder()), { bundle, project }, { signal: soon(), onProof });
  const says = (level: 'agreed' | 'trusted') =>
    proofs.take(run, { job: { run, asked: request.payload }, verdict: { level, artifact } });
  says('agreed');
  await vi.waitUntil(() => asked.length === 1);
  // Told while the bundle of the verdict before is on its way: that one is of no use any more.
  says('trusted');
  asked[0]?.resolve({ bundle: before, text: '' });
  await next.promise;
  expect([told, proofs.of(run)]).toEqual([[], undefined]);
  asked[1]?.resolve({ bundle: last, text: '' });
  await proofs.settled();
  says('trusted');
  await proofs.settled();
  expect([told, asked.length, proofs.of(run)?.why]).toEqual([['trusted'], 2, undefined]);
  // Void, and told again: it is verified again.
  proofs.take(run, undefined);
  expect(proofs.of(run)).toBeUndefined();
  says('trusted');
  await vi.waitUntil(() => asked.length === 3);
});

it('a failure is proven by receipts that agree on it, and by nothing else', async () => {
  withLimits(commandLimits, { storedMsMax: 0 });
  const outcome = exit(null, 1);
  const runs = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome }));
  const failed = await makeProject({ runs, own: { operator: 'owner', outcome } });
  expect(await proof(failed, [failed.bundle], { level: 'failed' })).toBe('proven');
  const built = await makeProject();
  expect(await proof(built, [built.bundle], { level: 'failed', said: { artifact: null } })).toBe(
    'RUN_NOT_TRUSTED',
  );
  expect(await proof(failed, [failed.bundle])).toBe('RUN_NOT_TRUSTED');
});

it('a controller that is away is waited for longer, and accused of nothing', async () => {
  const lost = (): never => {
    throw new QuorateError('MESH_RESET', 'gone');
  };
  withLimits(commandLimits, { storedMsMax: 0 });
  const published = await makeProject();
  expect(await proof(published, [lost, published.bundle])).toBe('proven');
  vi.spyOn(Patience.prototype, 'wait').mockRejectedValueOnce(new QuorateError('MESH_RESET', 'for long'));
  await expect(proof(published, [lost])).rejects.toThrow('for long');
});

it('a command that is stopped waits no longer for evidence', async () => {
  const published = await makeProject();
  const stop = new AbortController();
  const asking = (): never => {
    setImmediate(() => stop.abort(new Error('stopped')));
    return none();
  };
  await expect(proof(published, [asking], { signal: stop.signal })).rejects.toThrow(/stopped|aborted/);
});
