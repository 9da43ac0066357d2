import { expect, it } from 'vitest';
import { publishedParts } from '../../../src/controller/machine/queries/draft.ts';
import { inputEvidenceOf } from '../../../src/controller/sessions/own-evidence.ts';
import type { SharedPorts } from '../../../src/controller/sessions/shared.ts';
import { deliverAll, leasedRound } from '../machine/bench.ts';

it('the checkpoint of an input is kept before the bundle with it is signed', async () => {
  const { bench, run, leases } = await leasedRound();
  await deliverAll(bench, leases, []);
  bench.pinned(run);
  const { project, controller: signer } = bench.paper;
  const ports = { machine: bench.controller, project, signing: { signer }, retired: [] };
  const asked = (keep: (size: number) => Promise<void>) =>
    inputEvidenceOf({ ...ports, checkpoints: { keep } } as unknown as SharedPorts, [run]);
  const unwritable = new Error('the disk is full');
  const kept: number[] = [];
  await expect(
    asked(async (size) => {
      kept.push(size);
      throw unwritable;
    }),
  ).rejects.toBe(unwritable);
  expect(kept).toEqual([publishedParts(bench.controller.state, run)?.checkpoint.size]);
  expect(await asked(async () => {})).toHaveLength(1);
});
