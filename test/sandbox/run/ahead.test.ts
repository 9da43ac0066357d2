import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { SandboxLimits } from '../../../sandbox/index.ts';
import type { TierSandbox } from '../../../sandbox/run/tier.ts';
import {
  exited,
  holdsWithin,
  killAll,
  MiB,
  type Play,
  play,
  processesOfJobs,
  smallLimits,
  tarOf,
  tempFolder,
  unprobed,
} from '../support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
let sandbox: TierSandbox;

beforeAll(async () => {
  folder = await tempFolder();
  sandbox = unprobed(folder.path);
});
beforeEach(async () => {
  sandbox.thaw();
  await sandbox.dismiss();
});
afterAll(async () => {
  await sandbox?.dismiss();
  await folder?.remove();
});

/** Names of the sandboxes that there are: those that run, and the one that waits. */
const records = (): string[] =>
  readdirSync(join(folder.path, 'sandbox')).filter((name) => name.endsWith('.json'));

/** Runs a job and tells which sandboxes there were while it ran. */
async function runs(step: string, options: Play = {}): Promise<{ log: string; during: string[] }> {
  let during: string[] = [];
  const ran = await play(sandbox, [`${step}; echo ran`], {
    ...options,
    onLog: () => {
      during = records();
    },
  });
  expect(ran.outcome, ran.log).toEqual(exited(0));
  return { log: ran.log, during };
}

it('the next job of its limits starts in it, and no other after it', async () => {
  expect(await sandbox.ahead(smallLimits)).toBe(true);
  const waiting = records();
  expect(waiting).toHaveLength(1);
  expect(sandbox.usage()).toHaveLength(1);
  const first = await runs('cat f; echo x > /tmp/left; echo "$A"', {
    source: tarOf([{ name: 'f', content: 'its own ' }]),
    env: { A: 'b' },
  });
  expect(first).toEqual({ log: 'its own b\nran\n', during: waiting });
  expect(records()).toEqual([]);
  const second = await runs('ls /tmp');
  expect(second.log).toBe('ran\n');
  expect(second.during).not.toEqual(waiting);
  expect(await processesOfJobs()).toEqual([]);
});

it('a job sees the same in it as in one of its own', async () => {
  const look =
    'env | sort; id; find /build /dev/shm /etc | sort; cat /proc/self/limits; ls /proc/self/fd | wc -l; echo $$ $PPID; nproc';
  const own = await runs(look);
  await sandbox.ahead(smallLimits);
  expect((await runs(look)).log).toBe(own.log);
});

it.each<[string, Partial<SandboxLimits>]>([
  ['memory', { memoryBytes: 96 * MiB }],
  ['disk', { diskBytes: 16 * MiB }],
  ['processors', { cpus: 2 }],
  ['processes', { pids: 24 }],
])('one with other limits is gone before a job starts: %s', async (_, limits) => {
  await sandbox.ahead(smallLimits);
  const waiting = records();
  const { during } = await runs('true', { limits });
  expect(during).toHaveLength(1);
  expect(during).not.toEqual(waiting);
});

it('a job whose environment is varied does not start in it', async () => {
  await sandbox.ahead(smallLimits);
  const waiting = records();
  const { log, during } = await runs('hostname', { variation: { hostName: 'other' } });
  expect(log).toBe('other\nran\n');
  expect(during).not.toEqual(waiting);
});

it('is gone when its owner pauses or dismisses it, and none starts meanwhile', async () => {
  await sandbox.ahead(smallLimits);
  sandbox.freeze();
  await sandbox.dismiss();
  expect(records()).toEqual([]);
  expect(await processesOfJobs()).toEqual([]);
  expect(await sandbox.ahead(smallLimits)).toBe(false);
  sandbox.thaw();
  expect(await sandbox.ahead(smallLimits)).toBe(true);
  await sandbox.dismiss();
  expect(records()).toEqual([]);
});

it('is not kept when a job or a dismissal comes while it starts', async () => {
  const starting = sandbox.ahead(smallLimits);
  await runs('true');
  expect(await starting).toBe(false);
  const again = sandbox.ahead(smallLimits);
  await sandbox.dismiss();
  expect(await again).toBe(false);
  expect(records()).toEqual([]);
  expect(await processesOfJobs()).toEqual([]);
});

it('when it ends by itself the next job starts in one of its own', async () => {
  await sandbox.ahead(smallLimits);
  // It joins its control groups a moment after it was asked for.
  const began = async () => (await processesOfJobs()).length > 0;
  expect(await holdsWithin(60_000, began)).toBe(true);
  killAll(await processesOfJobs());
  expect(await holdsWithin(60_000, async () => records().length === 0)).toBe(true);
  await runs('true');
});

it('the operator’s limits hold for it: what is changed while it waits is so in its job', async () => {
  await sandbox.ahead(smallLimits);
  const waiting = records();
  sandbox.cap({ pids: 12 });
  const forks = 'i=0; while [ $i -lt 20 ]; do sleep 9 & i=$((i + 1)); done';
  const ran = await play(sandbox, [forks], { onLog: () => expect(records()).toEqual(waiting) });
  sandbox.cap({});
  expect(ran.log).toContain('fork');
  expect(ran.outcome).not.toEqual(exited(0));
});
