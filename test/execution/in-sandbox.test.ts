import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Sandbox, SandboxIo, SandboxJob, SandboxOutcome } from '../../sandbox/index.ts';
import { layOut } from '../../src/dependencies/index.ts';
import { abortedBy, buildInSandbox, limitOf } from '../../src/execution/in-sandbox.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { emptyTree } from '../../src/protocol/trust/index.ts';
import type { Area, Store } from '../../src/store/index.ts';
import { makeJob } from '../support/documents.ts';

const job = makeJob();
const area = {} as Area;

/** The limit that a build ends at, by its outcome or by an error. `imports`: files that it put out, or why they are not taken in. */
function ended(outcome: SandboxOutcome, imports: number | Error = 0) {
  return built(outcome, imports).then(({ limit }) => limit, limitOf);
}

function built(outcome: SandboxOutcome, imports: number | Error = 0, more: object = {}) {
  const run = async (_: unknown, { onOutputs }: SandboxIo) => {
    if (outcome.kind === 'exit') await onOutputs(Readable.from([]));
    return outcome;
  };
  const importTar = async () => {
    if (typeof imports !== 'number') throw imports;
    const files = Array.from({ length: imports }, (_, n) => ({ path: `${n}`, sha256: 'a'.repeat(64) }));
    return { root: 'bafy', files };
  };
  const store = { exportTar: () => Readable.from([]), importTar } as unknown as Store;
  return buildInSandbox({ run } as unknown as Sandbox, store, job, {
    commit: { id: 'c', tree: 't', seconds: 0 },
    from: area,
    into: area,
    image: 'host',
    onLog: () => {},
    signal: new AbortController().signal,
    ...more,
  });
}

const done: SandboxOutcome = { kind: 'exit', code: 0 };
const time: SandboxOutcome = { kind: 'aborted', reason: 'time', detail: '' };

it('a sandbox gets all that a build has, and nothing of what it has not', async () => {
  const jobs: SandboxJob[] = [];
  const sandbox = {
    run: async (asked: SandboxJob) => {
      jobs.push(asked);
      return done;
    },
  };
  const exported: string[] = [];
  const store = {
    exportTar(cid: string) {
      exported.push(cid);
      return Readable.from([]);
    },
  };
  const build = (more: object, variation = {}) =>
    buildInSandbox(
      sandbox as unknown as Sandbox,
      store as unknown as Store,
      job,
      {
        commit: { id: 'c', tree: 't', seconds: 0 },
        from: area,
        into: area,
        image: 'host',
        onLog: () => {},
        signal: new AbortController().signal,
        ...more,
      },
      variation,
    );
  await build({});
  const own = ['git', 'network', 'terminal', 'dependencies', 'variation'];
  expect(own.filter((name) => name in (jobs[0] ?? {}))).toEqual([]);
  expect(jobs[0]).toMatchObject({ stepMarks: true, failedOutputs: false, inputs: [] });
  const network = { socket: 'a socket', hopeless: new AbortController().signal };
  const dependencies = { layout: layOut([], []), open: async function* () {} };
  const terminal = { keys: Readable.from([]), sizes: Readable.from([]) };
  const inputs = [{ name: 'lib', cid: 'artifact' }];
  await build({ git: 'git', inputs, network, dependencies, terminal }, { variation: { umask: '077' } });
  expect(jobs[1]).toMatchObject({
    git: expect.any(Readable),
    network: { socket: 'a socket' },
    terminal,
    stepMarks: false,
    inputs: [{ name: 'lib', tar: expect.any(Readable) }],
    variation: { umask: '077' },
    dependencies: { env: {}, folders: expect.any(Array) },
  });
  expect(exported).toEqual(['t', 't', 'artifact', 'git']);
});

it('outputs are too many where their paths do not fit into a receipt, and none where a failed build left none', async () => {
  const put = (files: { path: string }[], root = 'bafy', code = 0) => {
    const importTar = async () => ({ root, files: files.map((one) => ({ ...one, sha256: 'a'.repeat(64) })) });
    const run = async (_: unknown, { onOutputs }: SandboxIo) => {
      await onOutputs(Readable.from([]));
      return { kind: 'exit', code };
    };
    const store = { exportTar: () => Readable.from([]), importTar };
    return buildInSandbox({ run } as unknown as Sandbox, store as unknown as Store, job, {
      commit: { id: 'c', tree: 't', seconds: 0 },
      from: area,
      into: area,
      image: 'host',
      onLog: () => {},
      signal: new AbortController().signal,
    });
  };
  await expect(put(Array(1_000).fill({ path: 'x'.repeat(4_000) }))).rejects.toMatchObject({
    code: 'STORE_TOO_MANY_ENTRIES',
  });
  expect((await put([], emptyTree, 1)).outcome).toMatchObject({ code: 1, artifact: null });
  expect((await put([], emptyTree)).outcome).toMatchObject({ code: 0, artifact: emptyTree });
});

describe('the limit that a build exceeded', () => {
  it('is that of its job', async () => {
    expect(await ended({ ...time, limit: 'seconds' })).toEqual({ name: 'seconds', max: job.limits.seconds });
    const many = new QuorateError('STORE_TREE_TOO_MANY_FILES', 'many');
    expect(await ended(done, many)).toEqual({ name: 'files', max: 2000 });
  });

  it('or that of the protocol', async () => {
    const many = new QuorateError('STORE_TREE_TOO_MANY_ENTRIES', 'many');
    expect(await ended(done, many)).toEqual({ name: 'treeEntries', max: limits.treeEntriesMax });
  });

  it('is none where it exceeded none, or one of the machine', async () => {
    expect(await ended(done, 2000)).toBeUndefined();
    expect(await ended(time)).toBeUndefined();
    expect(await ended(done, new QuorateError('STORE_DISK_FULL', 'full'))).toBeUndefined();
  });
});

describe('the outcome of a build', () => {
  const aborted = (reason: string) => ({ kind: 'aborted', reason, detail: 'why' }) as SandboxOutcome;

  it('is what the sandbox says, in the words of a receipt', async () => {
    expect((await built({ kind: 'exit', code: 256 + 3 }, 1)).outcome).toMatchObject({
      kind: 'exit',
      code: 3,
    });
    expect((await built(done, 1)).outcome).toEqual({ kind: 'exit', code: 0, artifact: 'bafy' });
    const reasons = ['killed', 'setup', 'time', 'memory', 'disk'];
    const said = await Promise.all(reasons.map(async (reason) => (await built(aborted(reason))).outcome));
    expect(said.map((one) => one.kind === 'aborted' && one.reason)).toEqual([
      ...['operator', 'sandbox', 'time', 'memory', 'disk'],
    ]);
  });

  it('is none where it was ended because it will not get what it asks for, unless it ended by itself', async () => {
    const reason = new Error('hopeless');
    const network = { socket: '', hopeless: AbortSignal.abort(reason) };
    await expect(built(aborted('killed'), 0, { network })).rejects.toBe(reason);
    expect((await built(done, 1, { network })).outcome).toMatchObject({ kind: 'exit' });
    expect((await built(aborted('time'), 0, { network })).outcome).toMatchObject({ reason: 'time' });
    const signal = AbortSignal.abort();
    expect((await built(aborted('killed'), 0, { network, signal })).outcome).toMatchObject({
      reason: 'operator',
    });
    const open = { socket: '', hopeless: new AbortController().signal };
    expect((await built(aborted('killed'), 0, { network: open })).outcome).toMatchObject({
      reason: 'operator',
    });
  });

  it.each([
    ['SOURCE_TREE_REFUSED', 'source'],
    ['EGRESS_NOT_ALLOWED', 'source'],
    ['INPUT_UNAVAILABLE', 'source'],
    ['INPUTS_DISK_FULL', 'sandbox'],
    ['DEPENDENCIES_MISMATCH', 'source'],
    ['LOCK_TOO_LARGE', 'source'],
    ['STORE_PATH_INVALID', 'outputs'],
    ['STORE_DISK_FULL', 'sandbox'],
    ['SANDBOX_UNAVAILABLE', 'sandbox'],
  ])('that an error ended has a reason: %s is %s', (code, reason) => {
    expect(abortedBy(new QuorateError(code as never, 'why'))).toMatchObject({ reason });
  });

  it('that an error ended has a detail of one line, with its hint', () => {
    const detail = (message: string, hint?: string) =>
      abortedBy(new QuorateError('LOCK_INVALID' as never, message, hint === undefined ? {} : { hint }))
        .detail;
    expect(detail('a\nb\u00e4\u001b')).toBe('LOCK_INVALID: a b ');
    expect(detail('x'.repeat(500))).toHaveLength(400);
    expect(detail('x'.repeat(500), 'y'.repeat(500))).toHaveLength(500);
    expect(detail('x'.repeat(500), 'do this')).toMatch(/x \(hint: do this\)$/);
  });
});
