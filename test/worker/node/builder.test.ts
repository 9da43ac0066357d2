import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Sandbox, Sandboxes } from '../../../sandbox/index.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import type { Job } from '../../../src/protocol/documents/index.ts';
import type { BuildResult } from '../../../src/worker/machine/events.ts';
import { Builder } from '../../../src/worker/node/builder.ts';
import { areaOf, type WorkerContext } from '../../../src/worker/node/context.ts';
import type { WorkerImages } from '../../../src/worker/node/images.ts';
import { removeInputs } from '../../../src/worker/node/inputs.ts';
import { workerNodeLimits } from '../../../src/worker/node/limits.ts';
import { sleep } from '../../e2e/support/wait.ts';
import { hostOf } from '../../source/confined.ts';
import { commitAll, repo, serve } from '../../source/support.ts';
import { store, tar } from '../../store/support.ts';
import { folder } from '../../support/code-and-folder.ts';
import { cidOf, testKey } from '../../support/documents.ts';
import { makeJob } from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';

/** The fate of the sandbox that waits while a job of an image is built by another tier than the host's own system, or the same. */
async function builds(isSameTier: boolean): Promise<string[]> {
  const did: string[] = [];
  const tierOf = (name: string) => ({
    tier: name,
    hostImage: name === 'namespace',
    run: async () => {
      did.push(`${name} runs`);
    },
    dismiss: async () => {
      did.push(`${name} dismisses`);
    },
  });
  const [host, other] = [tierOf('namespace'), tierOf('emulated')];
  const sandboxes = { for: (image: string) => (image === 'host' || isSameTier ? host : other) };
  const context = {
    signal: new AbortController().signal,
    credentials: { membership: { controllers: [] } },
    store: { sealed: () => ({}), discard: async () => {}, importBytes: async () => null },
    machine: { leaseOf: () => undefined },
  } as unknown as WorkerContext;
  const builder = new Builder(context, sandboxes as unknown as Sandboxes, {} as WorkerImages);
  // There is nothing to build from: it ends with an outcome that says so.
  const order = { lease: 'l', ref: 'r', reads: {}, job: { image: 'bafy', inputs: {}, limits: {} } };
  await builder.build(order as unknown as Parameters<Builder['build']>[0]);
  return did;
}

it('a sandbox that waits in one tier is gone when a job starts in another', async () => {
  expect(await builds(false)).toEqual(['namespace dismisses']);
});

it('control: in the same tier the job itself decides, by its limits', async () => {
  expect(await builds(true)).toEqual([]);
});

const MiB = 2 ** 20;
type Run = Sandbox['run'];

/** One file, as a build puts it out. */
const puts: Run = async ({ source }, { onLog, onOutputs }) => {
  for await (const _ of source);
  onLog(Buffer.from('it builds\n'));
  await onOutputs(await tar([{ name: 'made', body: 'x' }]));
  return { kind: 'exit', code: 0 };
};

/** A worker that fetches sources of a server itself and builds in a stand-in. */
async function worker(run: Run = puts) {
  const dir = await repo();
  await writeFile(join(dir, 'f'), 'source');
  const commit = commitAll(dir);
  const url = await serve(dir);
  const [home, own] = [await folder(), await store()];
  const did: string[] = [];
  const stop = new AbortController();
  const sandbox = {
    tier: 'namespace',
    unpinned: ['clock'],
    run,
    ahead: async () => void did.push('ahead'),
    dismiss: async () => void did.push('dismiss'),
  };
  const job = makeJob({ source: { url, commit, tree: '' }, image: 'host' } as Partial<Job>);
  const key = testKey('worker');
  const context = {
    dir: home,
    store: own,
    key,
    bandwidth: undefined,
    signal: stop.signal,
    revocations: () => [],
    privateHosts: [],
    dial: async () => Promise.reject(new Error('no controller')),
    credentials: { charter: { vcs: [hostOf(url)], bootstrap: [] }, membership: { controllers: [] } },
    machine: {
      leaseOf: (lease: string) =>
        lease === 'held' ? { payload: { job: cidOf('job'), slot: 1 } } : undefined,
    },
    tell: (...words: string[]) => void did.push(words.slice(0, 3).join(' ')),
  } as unknown as WorkerContext;
  const sandboxes = { for: (image: string) => (image === 'host' ? sandbox : undefined) };
  const builder = new Builder(context, sandboxes as unknown as Sandboxes, {} as WorkerImages);
  onTestFinished(() => builder.close());
  const build = (lease: string, of: Partial<Job> = {}) =>
    builder.build({ lease, ref: 'main', reads: { needs: {} } as never, job: { ...job, ...of } });
  const learned = await build('first');
  const [, tree = ''] = /holds tree (\w+),/.exec(JSON.stringify(learned?.outcome)) ?? [];
  job.source = { ...job.source, tree };
  const log = async (lease: string, result: BuildResult | undefined) => {
    const from = own.sealed(areaOf(lease));
    return Buffer.from(await own.readBytes(result?.log ?? '', { from, maxBytes: MiB })).toString();
  };
  return { builder, build, learned, log, store: own, did, stop, job, context, sandbox };
}

describe('a build', () => {
  it('is what its sandbox put out, its log and what it ran in', async () => {
    const during: unknown[] = [];
    const {
      builder,
      build,
      log,
      learned,
      store: own,
      job,
    } = await worker(async (...args) => {
      during.push(builder.builds);
      return puts(...args);
    });
    expect(learned?.outcome).toMatchObject({ kind: 'aborted', reason: 'source' });
    const result = await build('held');
    const { commit } = job.source;
    expect(result).toMatchObject({
      outcome: { kind: 'exit', code: 0, artifact: expect.stringMatching(/^bafy/) },
      files: [{ path: 'made', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
      sandbox: { tier: 'namespace', portable: false, unpinned: ['clock'] },
      link: expect.any(String),
    });
    expect(result?.limit).toBeUndefined();
    expect(await log('held', result)).toMatch(
      new RegExp(`^quorate: ${commit} from .* is here .*\nit builds\n$`),
    );
    expect(during).toEqual([[{ job: job.name, commit, ms: expect.any(Number) }]]);
    expect(builder.builds).toEqual([]);
    expect((await own.sealedNames()).filter((name) => name.startsWith('lease-'))).toEqual(
      expect.arrayContaining([areaOf('held')]),
    );
    expect((await build('other'))?.link).toBeUndefined();
    await builder.close();
    expect((await own.sealedNames()).filter((name) => name.startsWith('source-'))).toEqual([]);
  });

  it('that fails in its sandbox, or that no tier takes, says why, and leaves half of no output', async () => {
    const {
      build,
      log,
      store: own,
    } = await worker(async (_job, { onOutputs }) => {
      await onOutputs(await tar([{ name: 'made', body: 'x' }]));
      throw new QuorateError('SANDBOX_UNAVAILABLE', 'it broke', { hint: 'Mend it.' });
    });
    const result = await build('broken');
    expect(result).toMatchObject({ outcome: { kind: 'aborted', reason: 'sandbox' }, files: [] });
    expect(await log('broken', result)).toMatch(
      /quorate: SANDBOX_UNAVAILABLE: it broke\nquorate: hint: Mend it\.\n$/,
    );
    const artifact = await own.cidOf(Buffer.from('x'));
    const from = own.sealed(areaOf('broken'));
    await expect(own.readBytes(artifact, { from, maxBytes: 9 })).rejects.toMatchObject({
      code: 'STORE_BLOCK_MISSING',
    });
    const none = await build('imaged', { image: 'bafyimage' });
    expect(none).toMatchObject({
      outcome: {
        kind: 'aborted',
        reason: 'sandbox',
        detail: expect.stringMatching(/^SANDBOX_UNAVAILABLE: /),
      },
      sandbox: { tier: 'none', portable: true },
    });
  });

  it('says why it failed itself, where its clean-up fails too', async () => {
    const { build, log, store: own, job } = await worker();
    vi.spyOn(own, 'unpin').mockRejectedValue(new Error('a bad disk'));
    const source = { ...job.source, tree: cidOf('another') };
    const result = await build('twice', { source, inputs: { dep: cidOf('dep'), more: cidOf('more') } });
    expect(result).toMatchObject({
      outcome: { reason: 'source', detail: expect.stringMatching(/^SOURCE_TREE_MISMATCH: .*hint: /) },
    });
    expect(await log('twice', result)).toMatch(/\nquorate: SOURCE_TREE_MISMATCH: .*\nquorate: hint: .*\n$/);
  });

  it('that reached a limit of its job names it, and one that is stopped has no result', async () => {
    const began = Promise.withResolvers<void>();
    const { builder, build, log } = await worker(async (_job, { signal }) => {
      if (_job.run[0] !== 'stops')
        return { kind: 'aborted', reason: 'time', detail: 'late', limit: 'seconds' };
      began.resolve();
      await once(signal, 'abort');
      return { kind: 'aborted', reason: 'killed', detail: 'stopped' };
    });
    const result = await build('late');
    expect(result).toMatchObject({
      outcome: { kind: 'aborted', reason: 'time', detail: 'late' },
      limit: { name: 'seconds' },
    });
    expect(await log('late', result)).toContain('quorate: aborted: time: late\n');
    const stopped = build('stopped', { run: ['stops'] });
    await began.promise;
    builder.stop('another');
    builder.stop('stopped');
    expect(await stopped).toBeUndefined();
  });
});

describe('the sandbox for the next job', () => {
  it('is started once the worker is idle, where that takes jobs and one like the last could run in it', async () => {
    withLimits(workerNodeLimits, { aheadAfterMs: 1 });
    const { builder, build, did, sandbox } = await worker();
    await build('a');
    await sleep(20);
    expect(did).toEqual([]);
    builder.takesJobs = () => true;
    await build('b');
    await expect.poll(() => did).toEqual(['ahead']);
    await builder.dismiss();
    expect(did.splice(0)).toEqual(['ahead', 'dismiss']);
    await build('c', { image: 'bafyimage' });
    // The one that waits is of a tier that hears nothing of this job.
    expect(did.splice(0)).toEqual(['dismiss']);
    await sleep(20);
    expect(did).toEqual([]);
    sandbox.ahead = async () => Promise.reject(new Error('no room'));
    await build('d');
    await expect.poll(() => did).toEqual(['warn sandbox none waits for the next job: no room']);
    did.splice(0);
    await builder.close();
    expect(did).toEqual(['dismiss']);
  });

  it('is not started while a build runs', async () => {
    withLimits(workerNodeLimits, { aheadAfterMs: 20 });
    const began = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const { builder, build, did } = await worker(async (job, io) => {
      if (job.run[0] !== 'long') return puts(job, io);
      began.resolve();
      await go.promise;
      return puts(job, io);
    });
    builder.takesJobs = () => true;
    const long = build('long', { run: ['long'] });
    await began.promise;
    await build('short');
    await sleep(60);
    expect(did).toEqual([]);
    go.resolve();
    await long;
    await expect.poll(() => did).toEqual(['ahead']);
  });
});

it('inputs that a crash left and that cannot be looked at are told of, unless the worker ends', async () => {
  const { context, did, stop } = await worker();
  vi.spyOn(context.store, 'pins').mockRejectedValue(new Error('a bad disk'));
  await removeInputs(context);
  expect(did).toEqual(['warn inputs inputs: a bad disk']);
  stop.abort();
  await removeInputs(context);
  expect(did).toHaveLength(1);
});
