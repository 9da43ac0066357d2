import { spawnSync } from 'node:child_process';
import { findCgroupParents, readHierarchies } from '../../sandbox/cgroups/parents.ts';

export const isRoot = process.getuid?.() === 0;

/** The last commit whose nodes state no version. */
export const unversioned = '659097ff450ef773561bb9dc546d071f1a5c685f';

/** Whether a commit is in this clone, which may be shallow, or no clone at all. */
const hasCommit = (commit: string): boolean =>
  spawnSync('git', ['cat-file', '-e', `${commit}^{commit}`], { stdio: 'ignore' }).status === 0;

/** A build needs control groups of its own: root has them, and an account that was given some (docs/sandbox.md). */
const buildsHere = (): boolean => findCgroupParents(readHierarchies()).missing.length === 0;

/** Folders and files of tests that build, or start workers that do. */
const build = [
  'test/attacks/e2e/',
  'test/attacks/sandbox/',
  'test/attacks/source/in-place-of-git.test.ts',
  'test/bad-input/',
  'test/chaos/',
  'test/client/comparison/diffoscope.test.ts',
  'test/client/comparison/diffoscope-limits.test.ts',
  'test/execution/commands/doctor-emulated.test.ts',
  'test/owner/project.test.ts',
  'test/client/commands/shell.test.ts',
  'test/client/commands/try-options.test.ts',
  'test/client/commands/try-vary.test.ts',
  'test/client/commands/try.test.ts',
  'test/dependencies/tools/',
  'test/e2e/',
  'test/examples/packed.test.ts',
  'test/examples/page-of-dependencies.test.ts',
  'test/examples/quick-start.test.ts',
  'test/proof/npm-pack.test.ts',
  'test/sandbox/run/',
  'test/sandbox/gvisor/',
  'test/sandbox/images.test.ts',
  'test/sandbox/namespace/',
  'test/sandbox/versions/outdated.test.ts',
  'test/sandbox/vm/left-emulated.test.ts',
  'test/sandbox/vm/probe-emulated.test.ts',
  'test/sandbox/vm/steering-emulated.test.ts',
  'test/sandbox/vm/vm-emulated.test.ts',
  'test/tiers/',
];

/** Needs of a file of tests that this account does not have. */
export function lackFor(file: string): string | undefined {
  if ((file === 'test/e2e/five-processes.test.ts' || file === 'test/chaos/faults.test.ts') && !isRoot)
    return 'it makes network namespaces, which needs root';
  if (file === 'test/e2e/upgrade.test.ts' && !hasCommit(unversioned))
    return `it runs workers of commit ${unversioned}, which this clone does not have: git fetch --unshallow`;
  if (file === 'test/deploy/container.test.ts' && !isRoot)
    return 'it makes containers as root does, in chroots';
  if (!build.some((one) => file.startsWith(one)) || buildsHere()) return undefined;
  return 'it builds, which needs root or an account with control groups of its own';
}
