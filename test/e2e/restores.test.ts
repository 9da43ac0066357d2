import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { Cluster } from './support/cluster.ts';
import { gate } from './support/gate.ts';
import { git } from './support/git.ts';
import { program } from './support/jobs.ts';
import type { Proc } from './support/processes.ts';
import { until } from './support/wait.ts';

let cluster: Cluster;
/** The repository in which the controller runs. */
let where: string;
let backups = 0;
let jobs = 0;
/** By what it says. */
const trusted = new Map<string, string>();

beforeAll(async () => {
  cluster = await Cluster.start({
    volunteers: ['ada', 'ben'],
    trusted: true,
    bootstrap: true,
    slotWait: '1s',
    askInside: true,
  });
  where = cluster.projectDir;
});

const homeOf = (repository = where): string => join(repository, '.quorate');

/** Runs a verb of `quorate controller` in a process of its own. */
async function controllerVerb(...words: string[]) {
  const answer = await cluster.answer(cluster.spawn('verb', ['controller', ...words], { cwd: where }));
  expect(answer.code, answer.report).toBe(0);
  return answer.lines.at(-1) ?? {};
}

async function backUp(...more: string[]): Promise<string> {
  const to = join(cluster.dir, 'backups', String(++backups));
  await controllerVerb('backup', ...more, to);
  return to;
}

/** Starts the controller of a repository, and waits until it signs. */
async function start(name = 'controller', repository = where, port = cluster.port): Promise<Proc> {
  const node = begin(name, repository, port);
  await node.event('listening');
  await signs(node, repository);
  return node;
}

function begin(name: string, repository: string, port: number, ...more: string[]): Proc {
  const words = ['controller', '--listen', `/ip4/127.0.0.1/tcp/${port}`, ...cluster.controllerArgs, ...more];
  const node = cluster.spawn(name, words, { cwd: repository });
  cluster.controller = node;
  return node;
}

const statusOf = async (repository = where) =>
  (await cluster.answer(cluster.inside('status', ['controller', 'status'], { cwd: repository }))).lines.at(
    -1,
  );

async function signs(node: Proc, repository = where): Promise<void> {
  const look = async () => {
    if (!node.alive) throw new Error(node.report());
    return (await statusOf(repository))?.state === 'running';
  };
  await until('a controller that signs', look, 60_000).catch(async (error) => {
    const status = JSON.stringify((await statusOf(repository))?.asking);
    const reports = [node, ...cluster.workers.values()].map((one) => one.report());
    throw new Error([error.message, status, ...reports].join('\n'));
  });
}

/** Publishes a job; the run is over when its verdict is `trusted`. */
async function build(says = `job ${++jobs}`, ...before: string[]): Promise<void> {
  const run = await submit(says, ...before);
  await endsTrusted(run, says);
}

async function submit(says: string, ...before: string[]) {
  const url = await cluster.git.commit('tool', program(says, ...before));
  const run = cluster.inside('quorate run', ['run', url, '--ref', 'main'], { cwd: where });
  await run.event('submitted');
  return run;
}

async function endsTrusted(run: Awaited<ReturnType<typeof submit>>, says: string): Promise<void> {
  const { code } = await run.end();
  expect(code, `${run.report()}\n${cluster.control.report()}`).toBe(0);
  trusted.set(says, String(run.lines.at(-1)?.artifact));
}

/** A stranger fetches each artifact that was ever trusted. */
async function allStand(): Promise<void> {
  for (const [says, artifact] of trusted) {
    const name = `${says} ${backups} ${jobs}`;
    const { code, report } = await cluster.fetch(artifact, name);
    expect(code, `${says}: ${report}\n${cluster.control.report()}`).toBe(0);
    await rm(cluster.fetched(name), { recursive: true });
  }
  for (const name of ['ada', 'ben', 'tower'])
    expect(cluster.worker(name).lines.filter((line) => line.event === 'equivocated')).toEqual([]);
}

it('restored in place, from a backup of before the last run and in the middle of another one', async () => {
  await build();
  const behind = await backUp();
  await build();
  const held = gate();
  const run = await submit('in flight', held.step);
  await held.reached(2);
  const inFlight = await backUp();
  await held.openDuring(endsTrusted(run, 'in flight'));
  await build();

  for (const backup of [behind, inFlight]) {
    await cluster.control.stop();
    const { aside, kept } = await controllerVerb('restore', '--aside', backup);
    expect(kept).toContain('controller.key');
    await start();
    await allStand();
    await build();
    await rm(String(aside), { recursive: true });
  }
  await allStand();
});

it('restored on another machine, with the keys of the backup', async () => {
  const backup = await backUp('--keys');
  await build();
  await cluster.control.stop();
  await rename(homeOf(), join(cluster.dir, 'lost'));
  where = join(cluster.dir, 'elsewhere');
  await mkdir(where);
  await git(where, 'init', '--quiet');
  expect(await controllerVerb('restore', backup)).toMatchObject({ missing: [] });
  cluster.port = await freePort();
  await start();
  await allStand();
  await build();
});

it('goes on after the loss of all but its keys and its charter', async () => {
  await build();
  await cluster.control.stop();
  for (const name of await readdir(homeOf()))
    if (!/\.key$|^keys$|^charter\.jws$/.test(name)) await rm(join(homeOf(), name), { recursive: true });
  await start();
  // Workers show their grants; a publisher needs another ticket, which the owner gives itself.
  const forgot = await cluster.cli(['worker', 'leave', cluster.project, '--yes']);
  expect(forgot.code, forgot.report).toBe(0);
  await build();
  await allStand();
});

it('waits for the trusted worker where that sleeps and the journal is behind, and says so', async () => {
  const backup = await backUp();
  await build();
  await cluster.worker('tower').stop();
  await cluster.control.stop();
  await controllerVerb('restore', '--aside', backup);
  const node = begin('controller', where, cluster.port);
  await node.event('listening');
  const asking = await until('a controller that asks', async () => {
    const status = await statusOf();
    return status?.state === 'starting' && status;
  });
  expect(asking.asking).toMatchObject({ trusted: [expect.stringMatching(/^12D3/)] });
  await cluster.join('tower');
  await signs(node);
  await build();
  await allStand();
});

it('restored twice at once: one goes on, and what was trusted stays so', async () => {
  const backup = await backUp();
  await build();
  await cluster.control.stop();
  await controllerVerb('restore', '--aside', backup);
  const second = join(cluster.dir, 'second');
  await mkdir(second);
  await cp(homeOf(), homeOf(second), { recursive: true });
  const twin = begin('twin', second, await freePort());
  // Its offers may be gossiped to connections that were the other one's: workers ask for them every 15 s.
  const node = begin('controller', where, cluster.port, '--slot-wait', '30s');
  await Promise.all([twin, node].map((one) => one.event('listening')));
  await until('one that signs, or has stopped since the other one does', async () => {
    const states = await Promise.all([statusOf(where), statusOf(second)]);
    return states.some((status) => status?.state === 'running') || !twin.alive || !node.alive;
  });
  await allStand();
  // The owner stops one of them.
  await twin.stop();
  if (!node.alive) await start();
  await signs(cluster.control as Proc);
  await until('the workers that the other one had', async () => {
    const { workers } = ((await statusOf()) ?? {}) as { workers?: Record<string, number> };
    return workers?.worker === 2 && workers['trusted-worker'] === 1;
  });
  await build();
  await allStand();
});
