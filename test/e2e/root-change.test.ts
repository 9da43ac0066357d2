import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { git } from './support/git.ts';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

it('another project takes over, step by step as in docs/rotation.md', async () => {
  const cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
  const build = async (name: string) => {
    const run = await cluster.submit(await cluster.git.commit(name, program(name)));
    expect((await run.end()).code, run.report()).toBe(0);
    return String(run.lines.at(-1)?.artifact);
  };
  const fetched = async (artifact: string, name: string) => {
    const bundle = join(cluster.dir, `${name}.bundle`);
    const answer = await cluster.fetch(artifact, name, '--bundle-out', bundle);
    expect(answer.code, answer.report).toBe(0);
    return async (project: string) => {
      const args = ['verify', cluster.fetched(name), '--bundle', bundle, '--project', project];
      return (await cluster.cli(args, { home: 'offline', cwd: cluster.dir })).lines[0];
    };
  };
  const before = cluster.project;
  const verifyOld = await fetched(await build('old'), 'old');

  // 1. The folder of the old project goes to a place of its own; the new one is made in the repository.
  const kept = join(cluster.dir, 'old-project');
  await mkdir(kept);
  await git(kept, 'init', '--quiet');
  await cluster.control.stop();
  await rename(join(cluster.projectDir, '.quorate'), join(kept, '.quorate'));
  const vcs = `127.0.0.1:${cluster.git.port}`;
  const made = await cluster.cli(['init', '--name', 'tools', '--vcs', vcs]);
  expect(made.code, made.report).toBe(0);
  cluster.project = String(made.lines[0]?.project);
  expect(cluster.project).not.toBe(before);

  // 2. Both run for a while, each with a port of its own.
  const listen = (port: number) => ['controller', '--listen', `/ip4/127.0.0.1/tcp/${port}`];
  const old = cluster.start('old controller', listen(cluster.port), { cwd: kept });
  await old.event('listening');
  cluster.port = await freePort();
  await cluster.startController();

  // 3. Members join the new project; a home runs one worker at a time.
  for (const name of ['ada', 'ben', 'cyd']) {
    await cluster.worker(name).stop();
    const ticket = await cluster.ticket(name);
    await (await cluster.join(name, ticket)).event('connected');
  }
  await cluster.worker('tower').stop();
  await cluster.trusted('tower');
  const listed = await cluster.cli(['project', 'list'], { home: 'ada', cwd: cluster.dir });
  expect(JSON.stringify(listed.lines)).toContain(before);

  // 4. Each id verifies the bundles of its own project, and not those of the other.
  const verifyNew = await fetched(await build('new'), 'new');
  expect(await verifyOld(before)).toMatchObject({ ok: true, level: 'trusted' });
  expect(await verifyNew(cluster.project)).toMatchObject({ ok: true, level: 'trusted' });
  expect(await verifyOld(cluster.project)).toMatchObject({ ok: false });
  expect(await verifyNew(before)).toMatchObject({ ok: false });

  // 5. Members leave the old project, and its controller ends.
  const forgot = await cluster.cli(['worker', 'leave', before, '--yes'], { home: 'ada', cwd: cluster.dir });
  expect(forgot.code, forgot.report).toBe(0);
  const left = await cluster.cli(['project', 'list'], { home: 'ada', cwd: cluster.dir });
  expect(JSON.stringify(left.lines)).not.toContain(before);
  await old.stop();
});
