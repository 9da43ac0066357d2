import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Sandbox, SandboxIo, SandboxOutcome } from '../../../sandbox/index.ts';
import { QuorateError } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { abortedBy, buildInSandbox, limitOf } from '../../../src/runtime/build/in-sandbox.ts';
import type { Area, Store } from '../../../src/store/index.ts';
import { makeJob } from '../../support/documents.ts';

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
    ...{ commit: { id: 'c', tree: 't', seconds: 0 }, from: area, into: area, image: 'host' },
    ...{ onLog: () => {}, signal: new AbortController().signal, ...more },
  });
}

const done: SandboxOutcome = { kind: 'exit', code: 0 };
const time: SandboxOutcome = { kind: 'aborted', reason: 'time', detail: '' };

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
