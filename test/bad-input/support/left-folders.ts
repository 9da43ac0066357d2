import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { imagesFolder } from '../../../src/execution/images/files.ts';
import { writeJson } from '../../../src/node/files.ts';
import { addKey } from '../../../src/owner/project-keys.ts';
import { program } from '../../e2e/support/jobs.ts';
import { LocalCluster } from '../../e2e/support/local-cluster.ts';

/** All of a folder but the sockets of a process that used it. */
const files = { recursive: true, filter: (path: string) => !path.endsWith('.sock') };
export const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0'];

/**
 * A project in which every kind of node has run and has stopped. `left`: a copy of their folders; of the homes `owner`, `ada`, `tower` and
 * `depot`, of the repository `repo`, and of an identity provider apart `idp`. `address`: of the controller.
 */
export async function leftFolders(): Promise<{ cluster: LocalCluster; left: string; address: string }> {
  const cluster = await LocalCluster.start({ volunteers: ['ada', 'ben'], trusted: true, slotWait: '1s' });
  const { dir } = cluster;
  const url = await cluster.git.commit('tool', program('one'));
  const words = ['store', 'serve', '--project', cluster.project, ...loopback];
  const { addresses } = await cluster.control.event('listening');
  const [address = ''] = addresses as string[];
  const store = cluster.start('depot', [...words, '--bootstrap', address], { home: 'depot', cwd: dir });
  await store.event('connected');
  const hook = cluster.start('quorate on', ['on', 'trusted', '--ref', 'main', '--once', '--', 'true']);
  await hook.event('following');
  await writeFile(join(cluster.home('owner'), 'watch.toml'), `[repository]\nurl = "${url}"\npoll = "1s"\n`);
  const watcher = cluster.start('quorate watch', ['watch']);
  await watcher.event('looked');
  const run = await cluster.submit(url, '--ref', 'main');
  expect((await run.end()).code, run.report()).toBe(0);
  expect((await hook.end()).code, hook.report()).toBe(0);
  await store.event('kept');
  await Promise.all(
    [watcher, store, cluster.worker('ada'), cluster.worker('tower')].map((one) => one.stop()),
  );
  await cluster.control.stop();
  const folder = join(cluster.projectDir, '.quorate');
  await addKey(folder);
  const image = String(run.lines.at(-1)?.artifact);
  await mkdir(imagesFolder(folder));
  await writeFile(join(imagesFolder(folder), `${image}.car`), '');
  const about = { image, bytes: 1, files: 1, of: 'a test', made: new Date(0).toISOString() };
  await writeJson(join(imagesFolder(folder), `${image}.json`), about);

  const idp = join(dir, 'idp');
  await mkdir(idp);
  expect((await cluster.cli(['idp', 'init'], { cwd: idp })).code).toBe(0);
  const left = join(dir, 'left');
  for (const name of ['owner', 'ada', 'tower', 'depot'])
    await cp(cluster.home(name), join(left, name), files);
  await cp(cluster.projectDir, join(left, 'repo'), files);
  await cp(join(left, 'owner', 'revocations'), join(left, 'ada', 'revocations'), { recursive: true });
  await cp(idp, join(left, 'idp'), files);
  return { cluster, left, address };
}
