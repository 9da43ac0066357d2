/**
 * A worker on a slow machine: the ordinary worker, whose sandbox gives a result only after many times what the build took here.
 * `slow-worker.ts <home> <ticket> <listen address>`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { slowMsMax, slowness } from './cast.ts';
import { workWith } from './composed-worker.ts';

await workWith((sandbox) => ({
  tier: sandbox.tier,
  hostImage: sandbox.hostImage,
  unpinned: sandbox.unpinned,
  profile: sandbox.profile,
  run: async (job, io) => {
    const began = performance.now();
    const outcome = await sandbox.run(job, io);
    const ms = Math.min(slowMsMax, (performance.now() - began) * (slowness - 1));
    // A lease that is withdrawn ends the wait too.
    await sleep(ms, undefined, { signal: io.signal }).catch(() => undefined);
    return outcome;
  },
}));
