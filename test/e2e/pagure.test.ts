import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { Pagure } from '../../examples/demo/pagure/instance.ts';
import { GitServer, git } from './support/git.ts';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import { Proc } from './support/processes.ts';
import type { Told } from './support/told.ts';

const ms = 600_000;
let cluster: LocalCluster;
let pagure: Pagure;
let source: GitServer;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cleo'], trusted: true });
  const dir = join(cluster.dir, 'pagure');
  pagure = await Pagure.start(dir, ['owner', 'mallory'], (name, command, args) => {
    new Proc(name, command, args, { cwd: cluster.dir, env: { PATH: process.env.PATH } });
  });
  source = await GitServer.start(pagure.repositories);
  const servers = [cluster.git.port, source.port].flatMap((port) => ['--vcs', `127.0.0.1:${port}`]);
  const signed = await cluster.cli(['charter', 'set', ...servers]);
  expect(signed.code, signed.report).toBe(0);
  for (const name of cluster.workers.keys()) {
    const words = ['worker', 'allow', `127.0.0.1:${source.port}`];
    const allowed = await cluster.cli(words, { home: name, cwd: cluster.dir });
    expect(allowed.code, allowed.report).toBe(0);
  }
}, ms);

/** A working tree with one more commit of these files. */
async function committed(folder: string, files: Record<string, string>): Promise<string> {
  await mkdir(folder, { recursive: true });
  await git(folder, 'init', '--quiet', '--initial-branch=main');
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await git(folder, 'add', '--all');
  await git(folder, 'commit', '--quiet', '--message=c');
  return folder;
}

const green = (watcher: Told, key: string) =>
  watcher.event('status-set', {
    ms,
    where: (line) => line.key === key && (line.status as { state: string }).state === 'success',
  });

it('a push to Pagure is built, its commit gets flags that are green at trusted, and a pull request waits for its approval', {
  timeout: ms,
}, async () => {
  await pagure.newProject('owner', 'tool');
  const home = cluster.home('owner');
  const work = await committed(join(cluster.dir, 'work'), {
    'quorate.yaml': jobFile({ run: ['cp text "$OUT/text"'], time: '10m' }),
    text: 'one',
  });
  await pagure.push('owner', work, 'tool', 'main');
  const port = await freePort();
  const secret = await pagure.sendHooks('tool', `http://127.0.0.1:${port}/webhook`);
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'forge.token'), pagure.tokens.owner ?? '', { mode: 0o600 });
  await writeFile(join(home, 'webhook.secret'), secret, { mode: 0o600 });
  const lines = [
    ...['[repository]', `url = "${source.url('tool.git')}"`, 'poll = "20s"'],
    ...['[forge]', 'kind = "pagure"', `api = "${pagure.url}"`, 'project = "tool"'],
    ...['token-file = "forge.token"', 'webhook-secret-file = "webhook.secret"'],
    ...['[http]', `listen = "127.0.0.1:${port}"`, '[pull-requests]'],
    ...['[[rule]]', 'name = "main"', 'branches = ["main"]'],
  ];
  await writeFile(join(home, 'watch.toml'), lines.join('\n'));
  const watcher = cluster.start('quorate watch', ['watch']);
  await watcher.event('looked', { ms });

  await committed(work, { text: 'two' });
  const commit = await pagure.push('owner', work, 'tool', 'main');
  await watcher.event('webhook', { ms });
  await green(watcher, `${commit} quorate/main`);
  await green(watcher, `${commit} quorate/main/build`);
  const flags = await pagure.flags('tool', commit);
  expect(flags.get('quorate/main')).toEqual({ status: 'success', comment: 'trusted' });
  expect(flags.get('quorate/main/build')).toMatchObject({ status: 'success' });
  const states = watcher
    .all('status-set')
    .filter(({ key }) => key === `${commit} quorate/main`)
    .map(({ status }) => (status as { state: string }).state);
  expect(states.slice(0, -1)).not.toContain('success');

  await committed(work, { text: 'mine' });
  const proposed = await pagure.propose('mallory', work, 'tool', 'a better one');
  const { seen } = await watcher.event('pull', { ms });
  expect(seen).toMatchObject({ commit: proposed, author: 'mallory', base: 'main', title: 'a better one' });
  await watcher.event('status-set', { ms, where: ({ key }) => key === `${proposed} quorate:pull` });
  expect((await pagure.flags('tool', proposed)).get('quorate:pull')).toEqual({
    status: 'pending',
    comment: 'waiting for the approval of a maintainer',
  });
  expect(watcher.all('published')).toHaveLength(1);
  const approved = await cluster.cli(['watch', 'approve', `1@${proposed}`]);
  expect(approved.code, approved.report).toBe(0);
  await green(watcher, `${proposed} quorate:pull`);
  expect((await pagure.flags('tool', proposed)).get('quorate:pull')).toMatchObject({ status: 'success' });
  await watcher.stop();
});
