import { describe, expect, it } from 'vitest';
import { leaves as leafOf, signMessage } from '../../../src/protocol/documents/index.ts';
import { addWitness, witnessCheckpoint } from '../../../src/protocol/transparency/index.ts';
import { workerSessionLimits } from '../../../src/worker/sessions/limits.ts';
import { TestLog, WitnessBench } from '../../protocol/sessions/log-bench.ts';
import { at, makeProject, project, root, trusted } from '../../support/project.ts';
import { answersOf, EvidenceDesk, saidTrustedRun } from '../../watcher/sessions/evidence-desk.ts';

/**
 * With the keys of controller and log an attacker shows the trusted worker a draft under an old checkpoint, as often as it likes: the worker signs
 * the same draft again. A line of now under it would say that the log still ends there, and hide the revocations after it from a watcher.
 */
async function revoked() {
  const published = await makeProject();
  const { artifact, leaves } = published;
  const what = { kind: 'artifact' as const, id: artifact ?? '' };
  const payload = { iss: root.id, project, what, since: 0, reason: 'it steals', iat: at };
  const { id } = await signMessage('revocation', payload, root.signer);
  const log = new TestLog([...leaves, leafOf.revocation(id)]);
  const worker = await WitnessBench.open(log, 'trusted', ['trusted']);
  const old = await log.note(leaves.length);
  worker.now = (at + 1_010) * 1000;
  await worker.witness.see(old);
  return { published, log, old, worker };
}

/** A watcher's answer, at the worker's time, to this checkpoint and the leaves under it. */
async function shownWith(
  note: string,
  { published, worker }: Pick<Awaited<ReturnType<typeof revoked>>, 'published' | 'worker'>,
): Promise<string | undefined> {
  const desk = new EvidenceDesk({ ...answersOf(published), note }).published(published.request.id);
  desk.now = worker.now / 1000;
  await desk.says(saidTrustedRun(published.request.id));
  return desk.forge()?.state;
}

describe('a trusted worker that is shown a draft under an old checkpoint', () => {
  it('signs it for the time at which it was the newest: that hides no revocation', async () => {
    const { published, log, old, worker } = await revoked();
    await worker.witness.see(await log.note());
    worker.now += 3_600_000;
    const line = await worker.witness.sign(old);
    expect(await shownWith(addWitness(old, line), { published, worker })).toBe('pending');
    // Control: with a line of now.
    const now = await witnessCheckpoint(old, trusted.signer, worker.now / 1000);
    expect(await shownWith(addWitness(old, now), { published, worker })).toBe('success');
  });

  it('also in another life', async () => {
    const { published, log, old, worker } = await revoked();
    await worker.witness.see(await log.note());
    worker.now += 3_600_000;
    await worker.restart();
    const line = await worker.witness.sign(old);
    expect(await shownWith(addWitness(old, line), { published, worker })).toBe('pending');
  });

  it('also where more checkpoints came since than it keeps', async () => {
    const { published, log, old, worker } = await revoked();
    await worker.witness.see(await log.note());
    for (let minute = 0; minute < 30; minute++) {
      worker.now += 60_000;
      for (let n = 0; n < workerSessionLimits.checkpointsMax / 16; n++) {
        log.tree.append(`junk ${minute} ${n}`);
        await worker.witness.see(await log.note());
      }
    }
    for (let n = 0; n < 2 * workerSessionLimits.checkpointsMax; n++) {
      log.tree.append(`more ${n}`);
      await worker.witness.see(await log.note());
    }
    expect(worker.stored?.logs[0]?.seen).toHaveLength(workerSessionLimits.checkpointsMax);
    const line = await worker.witness.sign(old);
    expect(await shownWith(addWitness(old, line), { published, worker })).toBe('pending');
  });

  it('and one that is still the newest for now', async () => {
    const { published, old, worker } = await revoked();
    worker.now += 3_600_000;
    const line = await worker.witness.sign(old);
    expect(await shownWith(addWitness(old, line), { published, worker })).toBe('success');
  });
});
