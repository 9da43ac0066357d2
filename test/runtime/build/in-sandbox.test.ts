import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Sandbox, SandboxIo, SandboxOutcome } from '../../../sandbox/index.ts';
import { QuorateError } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { buildInSandbox, limitOf } from '../../../src/runtime/build/in-sandbox.ts';
import type { Area, Store } from '../../../src/store/index.ts';
import { makeJob } from '../../support/documents.ts';

const job = makeJob();
const area = {} as Area;

/** The limit that a build ends at, by its outcome or by an error. `imports`: files that it put out, or why they are not taken in. */
async function ended(outcome: SandboxOutcome, imports: number | Error = 0) {
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
  const built = buildInSandbox({ run } as unknown as Sandbox, store, job, {
    ...{ commit: { id: 'c', tree: 't', seconds: 0 }, from: area, into: area, image: 'host' },
    ...{ onLog: () => {}, signal: new AbortController().signal },
  });
  return built.then(({ limit }) => limit, limitOf);
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
