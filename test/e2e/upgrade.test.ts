import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { controllerLimits } from '../../src/controller/machine/limits.ts';
import { unversioned } from '../support/needs.ts';
import { Cluster } from './support/cluster.ts';
import { program as job } from './support/jobs.ts';
import { endAll } from './support/processes.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const installMsMax = 600_000;
/** A run ends this long after it was published, at most: nobody claims within a window of two seconds, on a busy machine. */
const atOnceMs = 15_000;

let folder = '';
let checkout = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-upgrade-'));
  checkout = join(folder, 'checkout');
  await run('git', ['worktree', 'add', '--detach', checkout, unversioned], { cwd: root });
  // Its own packages: those of today may be others.
  const install = ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
  await run('npm', install, { cwd: checkout, timeout: installMsMax });
}, installMsMax);
afterAll(async () => {
  await run('git', ['worktree', 'remove', '--force', checkout], { cwd: root }).catch(() => {});
  await rm(folder, { recursive: true, force: true });
});

it('workers that state no version get no offer, a run that only they could take ends at once and names them, and goes through once they are updated', async () => {
  onTestFinished(endAll);
  const names = ['ada', 'bob', 'cyd', 'tower'];
  const old = join(checkout, 'bin', 'quorate.js');
  const cluster = await Cluster.start({
    volunteers: names.slice(0, 3),
    trusted: true,
    slotWait: '20s',
    programs: new Map(names.map((name) => [name, old])),
  });
  await new Promise((resolve) => setTimeout(resolve, controllerLimits.reconnectMs));
  const [status] = (await cluster.cli(['controller', 'status'])).lines as {
    behind: { operator: string; version: null; says: string }[];
  }[];
  expect(status?.behind.map(({ operator }) => operator).sort()).toEqual([...names].sort());
  expect(status?.behind[0]).toMatchObject({ version: null, says: expect.stringContaining('no version') });

  const repository = await cluster.git.commit('app', job('hello'));
  const began = performance.now();
  const refused = await cluster.submit(repository);
  expect((await refused.end()).code, refused.report()).not.toBe(0);
  expect(performance.now() - began).toBeLessThan(atOnceMs);
  const says = JSON.stringify(refused.lines);
  for (const name of names.slice(0, 3)) expect(says).toContain(`${name} (states no version)`);
  expect(says).not.toContain('disputed');
  for (const name of names) {
    expect(cluster.worker(name).all('offer')).toEqual([]);
    const warnings = cluster.worker(name).lines.filter(({ level }) => level === 'warn');
    expect(warnings, cluster.worker(name).report()).toEqual([]);
  }

  // The same homes under this version.
  cluster.programs.clear();
  for (const name of names) {
    await cluster.worker(name).stop();
    await (await cluster.join(name)).event('connected');
  }
  const taken = await cluster.submit(repository);
  expect((await taken.end()).code, taken.report()).toBe(0);
});
