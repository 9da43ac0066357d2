import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { joinArchives } from '../../../sandbox/archive.ts';
import { createGroup } from '../../../sandbox/cgroups/group.ts';
import { groupPrefix, sweepLeftovers } from '../../../sandbox/cgroups/leftovers.ts';
import { findCgroupParents, readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import type { SandboxImage } from '../../../sandbox/index.ts';
import { workEntries } from '../../../sandbox/run/driver.ts';
import { processBounds } from '../../../sandbox/run/process-limits.ts';
import { profileValues } from '../../../sandbox/run/profile.ts';
import { bootFiles, fileCacheIn, vmTier } from '../../../sandbox/vm/tier.ts';
import {
  exited,
  holdsWithin,
  MiB,
  play,
  processesOfJobs,
  smallLimits,
  tarOf,
  tempFolder,
} from '../support.ts';
import { toolImage } from './image.ts';
import { emulatedWith } from './support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
let image: SandboxImage;
beforeAll(async () => {
  folder = await tempFolder();
  image = await toolImage(folder.path);
});
afterAll(() => folder.remove());

it('of a worker killed with -9 no process is left, and the next start removes the groups', async () => {
  const step = 'setsid sleep 1000 & echo go; sleep 1000';
  const holder = spawn(
    process.execPath,
    [join(import.meta.dirname, 'holder.ts'), folder.path, step, await image.erofs()],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  onTestFinished(() => {
    holder.kill('SIGKILL');
  });
  await once(holder.stdout, 'data');
  expect((await processesOfJobs(holder.pid)).length).toBeGreaterThan(0);
  const [note = ''] = (await readdir(folder.path)).filter((name) => name.endsWith('.json'));
  const { directories } = JSON.parse(await readFile(join(folder.path, note), 'utf8'));

  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(await holdsWithin(60_000, async () => (await processesOfJobs(holder.pid)).length === 0)).toBe(true);
  expect(directories.some((directory: string) => existsSync(directory))).toBe(true);
  await sweepLeftovers(folder.path);
  expect(directories.filter((directory: string) => existsSync(directory))).toEqual([]);
});

it('of a worker that is gone no machine is left, even where nobody told the machine so', async () => {
  const { guards, launch } = vmTier('tcg', () => bootFiles(fileCacheIn(folder.path)));
  const groups = createGroup(
    findCgroupParents(readHierarchies()).parents,
    `${groupPrefix}${process.pid}-gone`,
    smallLimits,
    guards.cgroup,
  );
  onTestFinished(() => groups.destroy());
  const limits = smallLimits;
  const job = { source: tarOf([]), inputs: [], run: ['sleep 1000'], env: {}, outputs: [], limits, image };
  const machine = await launch(job, { bounds: processBounds, directories: groups.directories, slot: 0 });
  machine.input.end(
    await buffer(joinArchives([{ folder: 'src', tar: job.source }], workEntries(profileValues))),
  );
  const [said] = await once(machine.status, 'data');
  expect(said.toString()).toBe('ready\n');
  expect(await processesOfJobs()).not.toEqual([]);
  // As the end of a process closes them.
  for (const stream of [machine.input, machine.log, machine.diagnostics, machine.status, machine.outputs])
    stream.destroy();
  await machine.child.ended;
  expect(await processesOfJobs()).toEqual([]);
});

it('the last bytes of log and outputs come, however the machine ends', async () => {
  const sandbox = emulatedWith(folder.path);
  const megabyte = 'x'.repeat(MiB);
  for (let n = 0; n < 3; n++) {
    const ran = await play(
      sandbox,
      ['head -c 1048576 /dev/zero | tr "\\0" x > $OUT/f; cat $OUT/f; echo end'],
      {
        image,
        outputs: ['f'],
      },
    );
    expect(ran.outcome).toEqual(exited(0));
    expect(ran.log === `${megabyte}end\n`).toBe(true);
    expect(ran.outputs[0]?.text === megabyte).toBe(true);
  }
});

it('the machine is pinned: its processors', async () => {
  const steps = ['grep -m1 "model name" /proc/cpuinfo; nproc'];
  const { log } = await play(emulatedWith(folder.path), steps, { image, limits: { cpus: 2 } });
  expect(log).toBe('model name\t: Intel Core i7 9xx (Nehalem Class Core i7)\n2\n');
});
