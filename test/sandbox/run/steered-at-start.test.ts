import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { findCgroupParents, readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import { namespaceTier } from '../../../sandbox/namespace/tier.ts';
import { TierSandbox } from '../../../sandbox/run/tier.ts';
import { until } from '../../e2e/support/wait.ts';
import { exited, MiB, play, smallLimits, tempFolder } from '../support.ts';

/** A sandbox whose builds take as long to start as `starting`, which is told where their control groups are. */
async function slowStart(starting: (directories: string[]) => Promise<void>): Promise<TierSandbox> {
  const folder = await tempFolder();
  onTestFinished(() => folder.remove());
  const recordsDir = join(folder.path, 'notes');
  const backend = namespaceTier();
  const launch: typeof backend.launch = async (job, launching) => {
    const build = await backend.launch(job, launching);
    const [note = ''] = readdirSync(recordsDir);
    await starting(JSON.parse(readFileSync(join(recordsDir, note), 'utf8')).directories);
    return build;
  };
  const { parents } = findCgroupParents(readHierarchies());
  return new TierSandbox({ ...backend, launch }, { parents, recordsDir });
}

/** The first of these files in one of these folders. */
function read(directories: readonly string[], ...names: string[]): string | undefined {
  for (const path of directories.flatMap((directory) => names.map((name) => join(directory, name))))
    try {
      return readFileSync(path, 'utf8').trim();
    } catch {}
  return undefined;
}

it('a build whose owner pauses while it starts does not run until it is resumed', async () => {
  let groups: string[] = [];
  const sandbox: TierSandbox = await slowStart(async (directories) => {
    groups = directories;
    sandbox.freeze();
  });
  let log = '';
  const ran = play(sandbox, ['echo on'], {
    onLog: (text) => {
      log += text;
    },
  });
  // In the words of either version of control groups.
  const isFrozen = () =>
    read(groups, 'freezer.state') === 'FROZEN' || /^frozen 1$/m.test(read(groups, 'cgroup.events') ?? '');
  await until('the build to stand still', isFrozen);
  expect(log).toBe('');
  sandbox.thaw();
  expect((await ran).outcome).toEqual(exited(0));
});

it('a build whose owner resumes while it starts runs', async () => {
  const sandbox: TierSandbox = await slowStart(async () => sandbox.thaw());
  sandbox.freeze();
  expect((await play(sandbox, ['echo on'], { limits: { seconds: 20 } })).outcome).toEqual(exited(0));
});

it('a build whose owner lends less while it starts gets less', async () => {
  let groups: string[] = [];
  const sandbox: TierSandbox = await slowStart(async (directories) => {
    groups = directories;
    sandbox.cap({ memoryBytes: 32 * MiB });
  });
  let most: string | undefined;
  const { outcome } = await play(sandbox, ['echo on'], {
    limits: { memoryBytes: smallLimits.memoryBytes },
    onLog: () => {
      most = read(groups, 'memory.max', 'memory.limit_in_bytes');
    },
  });
  expect(outcome).toEqual(exited(0));
  expect(Number(most)).toBe(32 * MiB);
});
