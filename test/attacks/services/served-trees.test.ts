import { describe, expect, it } from 'vitest';
import { isTreeShown } from '../../../src/controller/machine/queries/summary.ts';
import { publicView } from '../../../src/controller/node/public-view.ts';
import { publicTrees } from '../../../src/node/artifacts/public-trees.ts';
import { A, B, built, deliverAll, leasedRound, other } from '../../controller/machine/bench.ts';

/** A store that has every tree that is asked for, as whoever built them named them. */
const store = {
  blocks: {
    parse: (text: string) => text,
    touch: () => 1,
    read: async () => new Uint8Array(1),
    links: () => [],
  },
} as never;

/** Trees of these that the web server of a controller sends, as archives and as blocks. */
async function served({ block, tree }: ReturnType<typeof publicTrees>) {
  const found = await Promise.all([A, B].map(async (of) => (await block(of)) && tree(of) && of));
  return found.filter((of) => of !== undefined);
}

describe('the web server of a controller', () => {
  it('hands out no tree that one worker named as its result, and none that was revoked', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    const view = publicView(
      { folder: { project: 'p' }, machine: bench.controller, store, logEvidence: {} } as never,
      { backlog: {}, checkpoints: {} } as never,
      {} as never,
    );
    const unguarded = publicTrees(store, () => true);
    expect(await served(view)).toEqual([]);
    await deliverAll(bench, leases, [built, built, other]);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    bench.cosign(run);
    bench.store(run);
    // Both are here by now.
    expect(bench.all('keep').map(({ root }) => root)).toContain(B);
    expect(await served(view)).toEqual([A]);
    expect(await served(unguarded)).toEqual([A, B]);
    await bench.revoke({ kind: 'artifact', id: A }, { since: 0 });
    expect(await served(view)).toEqual([]);
    expect(await served(unguarded)).toEqual([A, B]);
  });

  it('shows results of a dispute until its run is revoked', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none', rounds: 1 } });
    const failed = { kind: 'aborted', reason: 'time', detail: '' } as never;
    await deliverAll(bench, leases, [built, other, failed]);
    const shown = () => [A, B].map((tree) => isTreeShown(bench.controller.state, tree));
    bench.drive(10 * 60_000);
    expect(bench.facts(run).history.some(({ progress }) => progress.kind === 'compared')).toBe(true);
    expect(shown()).toEqual([true, true]);
    await bench.revoke({ kind: 'job', id: bench.facts(run).jobId }, { since: 0 });
    expect(shown()).toEqual([bench.facts(run).revoked === null, bench.facts(run).revoked === null]);
  });
});
