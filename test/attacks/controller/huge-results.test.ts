import { describe, expect, it } from 'vitest';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import type { Recorded } from '../../../src/controller/machine/facts.ts';
import { boundOf } from '../../../src/controller/node/keep.ts';
import { pullArtifact } from '../../../src/node/artifacts/transfer.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { makeJob } from '../../support/documents.ts';
import { withLimits } from '../../support/with-limits.ts';
import { importInto, Receiver, serving, small } from '../../transfer/support.ts';

const mib = 2 ** 20;
const job = makeJob({ limits: { cpus: 1, memoryBytes: 2 ** 28, diskBytes: mib, pids: 64, seconds: 60 } });

describe('a worker that says it built a tree larger than any build of the job could make', () => {
  it('has the controller fetch no more of it than such a build could', async () => {
    withLimits(sandboxLimits, { outputOverheadBytes: 2 * mib });
    const worker = await serving();
    // Distinct bytes, so that no block comes twice.
    const huge = await importInto(worker.store, small(8, mib));
    const controller = await Receiver.open();
    await controller.mesh.connect(worker.mesh.addresses());
    const receipt = { outcome: { kind: 'exit', code: 0, artifact: huge } } as Recorded;
    const maxBytes = boundOf({ job, receipts: [receipt] }, huge);
    expect(maxBytes).toBe(3 * mib);
    let got = 0;
    const onProgress = (bytes: number) => {
      got = bytes;
    };
    const ask = { from: [worker.mesh.id], signal: AbortSignal.timeout(120_000), onProgress };
    await expect(pullArtifact(controller, huge, { ...ask, maxBytes })).rejects.toMatchObject({
      code: 'STORE_TREE_TOO_LARGE',
    });
    expect(got).toBeLessThan(5 * mib);
    // The control: without a bound all of it comes.
    expect((await pullArtifact(controller, huge, ask)).bytes).toBeGreaterThan(8 * mib);
  });

  it('names as its log no more than a log can be', () => {
    const bound = boundOf({ job: makeJob(), receipts: [] }, 'log');
    expect(bound).toBeLessThan(limits.logBytesMax + 65 * mib);
  });
});
