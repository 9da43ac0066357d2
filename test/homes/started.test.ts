import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { writeJson } from '../../src/node/files.ts';
import { newGround } from '../e2e/support/any-cluster.ts';
import { git } from '../e2e/support/git.ts';
import { program } from '../e2e/support/jobs.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import { goldenHomes, unpack } from './golden.ts';

it.each(goldenHomes())(
  'homes $n of before are started, and publish what is trusted',
  async ({ n, content }) => {
    const { project } = content as { project: string };
    const left = await unpack(n);
    onTestFinished(() => rm(left, { recursive: true, force: true }));
    const cluster = new LocalCluster(await newGround(), { slotWait: '1s' });
    await cp(join(left, 'repo'), cluster.projectDir, { recursive: true });
    await git(cluster.projectDir, 'init', '--quiet');
    await mkdir(join(cluster.dir, 'homes'));
    for (const name of ['owner', 'ada', 'tower']) {
      await cp(join(left, name), cluster.home(name), { recursive: true });
      // Ports are others here.
      const file = join(cluster.home(name), 'projects', `${project}.json`);
      const { crc32: _, ...membership } = JSON.parse(await readFile(file, 'utf8'));
      const [{ id }] = membership.controllers;
      const addrs = [`/ip4/127.0.0.1/tcp/${cluster.port}/p2p/${id}`];
      await writeJson(file, { ...membership, controllers: [{ id, addrs }] });
    }
    cluster.project = project;
    await cluster.cli(['charter', 'set', '--vcs', `127.0.0.1:${cluster.git.port}`]);
    await cluster.startController();
    // The controller goes on once the trusted worker has told it what its log was.
    const workers = await Promise.all(['ada', 'tower'].map((name) => cluster.join(name)));
    await Promise.all(workers.map((worker) => worker.event('connected')));
    // They connect to the host that the charter named when they had last heard of one.
    const here = `127.0.0.1:${cluster.git.port}`;
    for (const [index, name] of ['ada', 'tower'].entries()) {
      await workers[index]?.event('host-named', {
        where: ({ data }) => (data as { host: string }).host === here,
      });
      const allowed = await cluster.cli(['worker', 'allow', here], { home: name, cwd: cluster.dir });
      expect(allowed.lines, allowed.report).toMatchObject([
        { status: { hosts: { allowed: [expect.stringMatching(/^127\.0\.0\.1:\d+$/), here], pending: [] } } },
      ]);
    }
    await cluster.volunteer('new');
    const run = await cluster.submit(await cluster.git.commit('app', program('app')), '--ref', 'main');
    expect((await run.end()).code, run.report()).toBe(0);
    const { runs } = (content as { controller: { runs: { level: string }[] } }).controller;
    expect(runs.map(({ level }) => level)).toEqual(['trusted']);
    const artifact = String(run.all('verdict').at(-1)?.artifact);
    expect((await cluster.fetch(artifact, 'app')).code).toBe(0);
  },
);
