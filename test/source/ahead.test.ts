import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { groupDirectories } from '../../sandbox/cgroups/group.ts';
import { findCgroupParents, readHierarchies } from '../../sandbox/cgroups/parents.ts';
import { type ConfinedAhead, openConfinedAhead } from '../../src/execution/confined-git.ts';
import type { Job } from '../../src/protocol/documents/index.ts';
import { openStore } from '../../src/store/index.ts';
import { CheckoutAhead } from '../../src/worker/node/checkout-ahead.ts';
import type { WorkerContext } from '../../src/worker/node/context.ts';
import { Sources } from '../../src/worker/node/sources.ts';
import { holdsWithin, killAll, processesOfJobs } from '../sandbox/support.ts';
import { type Confined, confined, hostOf } from './confined.ts';
import { commitAll, folder, git, oldServer, repo, serve } from './support.ts';

const limits = { cpus: 1, memoryBytes: 512 * 1024 * 1024 };

interface Place {
  stateDir: string;
  scratch: string;
}

async function place(): Promise<Place> {
  const home = await folder();
  const scratch = join(home, 'tmp-1');
  await mkdir(scratch, { mode: 0o700 });
  return { stateDir: join(home, 'sandbox'), scratch };
}

async function committed(text: string): Promise<{ dir: string; commit: string }> {
  const dir = await repo();
  await writeFile(join(dir, 'f'), text);
  return { dir, commit: commitAll(dir) };
}

/** As a worker opens git for a source, in a sandbox that waited for it. */
async function opened(url: string): Promise<{ box: Confined; ahead: ConfinedAhead }> {
  const at = await place();
  const ahead = await openConfinedAhead({ ...at, ...limits });
  return { box: await confined(url, [hostOf(url)], { ...at, ahead }), ahead };
}

it('a commit is read by git that was started before it was known', async () => {
  const { dir, commit } = await committed('what was committed');
  const url = await serve(dir);
  const { box, ahead } = await opened(url);
  const started: string[][] = [];
  const wrap = (command: string[], reach: 'server' | 'nothing') => {
    started.push(command);
    return box.wrap(command, reach);
  };
  const { waiting } = ahead;
  const own = await (await confined(url, [hostOf(url)])).fetch(commit);
  expect(own).toContain('what was committed');
  expect(await box.fetch(commit, { wrap, waiting })).toBe(own);
  expect(started).toEqual([]);
});

it('an id that is no commit is refused', async () => {
  const { dir, commit } = await committed('what was committed');
  const tree = git(dir, 'rev-parse', `${commit}^{tree}`);
  const url = await serve(dir);
  const { box, ahead } = await opened(url);
  const fetched = box.fetch(tree, { waiting: ahead.waiting });
  await expect(fetched).rejects.toMatchObject({ code: expect.stringMatching(/^SOURCE_/) });
});

it('a server of an older protocol gets git with the proxy, in the same sandbox', async () => {
  const { dir, commit } = await committed('what was committed');
  const url = await oldServer(await serve(dir));
  const { box, ahead } = await opened(url);
  const reached: string[] = [];
  const wrap = (command: string[], reach: 'server' | 'nothing') => {
    reached.push(reach);
    return box.wrap(command, reach);
  };
  expect(await box.fetch(commit, { wrap, waiting: ahead.waiting })).toContain('what was committed');
  expect(reached).toContain('server');
});

it('a link left in the sandbox’s folder leads the worker nowhere', async () => {
  const { dir, commit } = await committed('what was committed');
  const url = await serve(dir);
  const { box, ahead } = await opened(url);
  const { gitDir } = ahead.waiting;
  const victim = join(await folder(), 'node.key');
  await writeFile(victim, 'the secret');
  await unlink(join(gitDir, 'HEAD'));
  await symlink(victim, join(gitDir, 'HEAD'));
  await box.fetch(commit, { waiting: ahead.waiting }).catch(() => {});
  expect(await readFile(victim, 'utf8')).toBe('the secret');
});

async function worker(idleMs?: number): Promise<{ ahead: CheckoutAhead; left: () => Promise<string[]> }> {
  const dir = await folder();
  const said: unknown[] = [];
  const ahead = new CheckoutAhead({ dir, tell: (...words: unknown[]) => void said.push(words) }, idleMs);
  onTestFinished(() => ahead.drop());
  const left = async (): Promise<string[]> => {
    expect(said).toEqual([]);
    const records = await readdir(join(dir, 'sandbox', 'sandbox')).catch(() => []);
    return [...records, ...(await readdir(dir)).filter((name) => name !== 'sandbox')];
  };
  return { ahead, left };
}

it('is handed over once, with the limits of the job', async () => {
  const { ahead, left } = await worker();
  expect(await ahead.start(limits)).toBe(true);
  const taken = ahead.take({ cpus: 1, memoryBytes: 700 * 1024 * 1024 });
  expect(taken).toBeDefined();
  expect(ahead.take(limits)).toBeUndefined();
  await ahead.drop();
  expect(await left()).not.toEqual([]);
  await taken?.git.close();
  execFileSync('rm', ['-r', taken?.scratch ?? '']);
  expect(await left()).toEqual([]);
});

it('a dropped sandbox leaves no file and no process, while it starts as well', async () => {
  const { ahead, left } = await worker();
  expect(await ahead.start(limits)).toBe(true);
  await ahead.drop();
  expect(await left()).toEqual([]);
  const starting = ahead.start(limits);
  await ahead.drop();
  expect(await starting).toBe(false);
  expect(await left()).toEqual([]);
  expect(ahead.take(limits)).toBeUndefined();
  expect(await processesOfJobs()).toEqual([]);
});

it('a sandbox leaves no file after a time, or when it was killed', async () => {
  const { ahead, left } = await worker(100);
  const gone = async () => (await left()).length === 0;
  await ahead.start(limits);
  expect(await holdsWithin(60_000, gone)).toBe(true);
  const other = await worker();
  await other.ahead.start(limits);
  expect(await holdsWithin(60_000, async () => (await processesOfJobs()).length > 0)).toBe(true);
  killAll(await processesOfJobs());
  expect(await holdsWithin(60_000, async () => (await other.left()).length === 0)).toBe(true);
  expect(other.ahead.take(limits)).toBeUndefined();
});

it('a worker has one for its next commit after it fetched one, until it is dismissed', async () => {
  const { dir, commit } = await committed('what was committed');
  await writeFile(join(dir, 'g'), 'and more');
  const next = commitAll(dir);
  const url = await serve(dir);
  const home = await folder();
  const store = await openStore({ dir: join(home, 'store') });
  onTestFinished(() => store.close());
  const sources = new Sources({
    dir: home,
    store,
    tell: () => {},
    credentials: { charter: { vcs: [hostOf(url)] } },
    bandwidth: undefined,
  } as unknown as WorkerContext);
  onTestFinished(() => sources.close());
  const records = () => readdir(join(home, 'sandbox', 'sandbox')).catch(() => []);
  const fetched = async (id: string): Promise<string[]> => {
    let during: string[] = [];
    const job = { source: { url, commit: id, tree: '' }, limits: { ...limits, diskBytes: 1024 * 1024 } };
    const say = () => {
      during = readdirSync(join(home, 'sandbox', 'sandbox'));
    };
    const options = { signal: AbortSignal.timeout(120_000), say };
    await expect(sources.open(job as Job, 'main', options)).rejects.toMatchObject({
      code: 'SOURCE_TREE_MISMATCH',
    });
    return during;
  };
  await sources.startNext(limits);
  expect(await records()).toEqual([]);
  await mkdir(join(home, 'sandbox', 'sandbox'), { recursive: true });
  await fetched(commit);
  await expect.poll(records).toEqual([]);
  await sources.startNext(limits);
  const waiting = await records();
  expect(waiting).toHaveLength(1);
  expect(await fetched(next)).toEqual(waiting);
  await expect.poll(records).toEqual([]);
  await sources.startNext(limits);
  expect(await records()).toHaveLength(1);
  await sources.dismiss();
  expect(await records()).toEqual([]);
});

it('the next sandbox for git removes the control groups of one whose process was killed', async () => {
  const at = await place();
  const ended = spawnSync(process.execPath, ['--version']);
  const name = `quorate-job-${ended.pid}-chaos`;
  const { parents } = findCgroupParents(readHierarchies());
  const groups = groupDirectories(parents, name);
  for (const group of groups) mkdirSync(group);
  const records = join(at.stateDir, 'sandbox');
  await mkdir(records, { recursive: true, mode: 0o700 });
  const record = { pid: ended.pid, started: '1', directories: groups };
  await writeFile(join(records, `${name}.json`), JSON.stringify(record));
  const ahead = await openConfinedAhead({ ...at, ...limits });
  await ahead.close();
  expect(groups.filter((group) => existsSync(group))).toEqual([]);
  expect(readdirSync(records)).toEqual([]);
});
