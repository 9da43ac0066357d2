import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { jobFile, program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Told } from './support/told.ts';

let cluster: LocalCluster;
/** The controller's address at the start, with the key of then: all that some know of the project. */
let oldAddress = '';
let first: { run: string; artifact: string };
let second: typeof first;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
  oldAddress = String((cluster.control.all('listening')[0]?.addresses as string[] | undefined)?.[0]);
});

async function rotate(...args: string[]): Promise<Record<string, unknown>> {
  const since = cluster.control.mark();
  const answer = await cluster.cli(['rotate', ...args]);
  expect(answer.code, answer.report).toBe(0);
  if (args[0] !== 'trusted-worker') await cluster.control.event('listening', { since });
  return answer.lines[0] ?? {};
}

/** A build of now, by those who are there. */
async function build(name: string): Promise<{ run: string; artifact: string }> {
  const run = await cluster.submit(await cluster.git.commit(name, program(name)));
  expect((await run.end()).code, run.report()).toBe(0);
  const last = run.lines.at(-1);
  expect(last).toMatchObject({ event: 'verdict', level: 'trusted' });
  return { run: run.run, artifact: String(last?.artifact) };
}

/** By one who knows the project's id and the address of before. */
function fetchFrom(address: string, artifact: string, folder: string, ...more: string[]) {
  const args = ['fetch', artifact, '-o', cluster.fetched(folder), '--project', cluster.project];
  return cluster.cli([...args, '--bootstrap', address, ...more], { home: 'consumer', cwd: cluster.dir });
}

const connectedAgain = (workers: Told[], since: number[]): Promise<unknown> =>
  Promise.all(workers.map((worker, n) => worker.event('connected', { since: since[n] ?? 0 })));

const marks = (workers: Told[]): number[] => workers.map((worker) => worker.mark());

it('a controller with another key is found by whoever was there, and by whoever was away', async () => {
  first = await build('first');
  const bundle = join(cluster.dir, 'first.bundle');
  const before = await fetchFrom(oldAddress, first.artifact, 'first', '--bundle-out', bundle);
  expect(before.code, before.report).toBe(0);
  const rita = await cluster.cli(['join', await cluster.ticket('rita', '--role', 'reader')], {
    home: 'rita',
  });
  expect(rita.code, rita.report).toBe(0);
  const dans = await cluster.ticket('dan');
  // No worker lends that much memory: the run stays open.
  const waiting = await cluster.submit(
    await cluster.git.commit('huge', { 'quorate.yaml': jobFile({ run: ['true'], memory: '900GiB' }) }),
  );
  await cluster.worker('cyd').stop();

  const present = ['ada', 'ben', 'tower'].map((name) => cluster.worker(name));
  const since = marks(present);
  const { controller, before: old, epoch } = await rotate('controller');
  const [listening] = cluster.control.all('listening').slice(-1);
  expect(listening?.id).toBe(controller);
  await connectedAgain(present, since);

  // An open run has ended, and says what to do.
  const { state, history } = await cluster.show(waiting.run);
  expect(state).toBe('cancelled');
  expect(history.at(-1)?.reason).toMatch(/REQUEST_AUDIENCE_MISMATCH.*quorate run/);
  await waiting.end();

  const cyd = await cluster.join('cyd');
  await cyd.event('controller', { where: ({ says }) => String(says).includes(String(controller)) });
  await cyd.event('connected');
  const kept = JSON.parse(
    await readFile(join(cluster.home('cyd'), 'projects', `${cluster.project}.json`), 'utf8'),
  );
  expect(kept.controllers).toMatchObject([{ id: controller }]);
  expect(JSON.stringify(kept.controllers)).not.toContain(old);

  // A member's command, a ticket and a consumer that know the address of before.
  const jobs = await cluster.cli(['jobs'], { home: 'rita', cwd: cluster.dir });
  expect(jobs.lines[0], jobs.report).toMatchObject([{ state: 'cancelled' }, { level: 'trusted' }]);
  await (await cluster.join('dan', dans)).event('connected');
  const fetched = await fetchFrom(oldAddress, first.artifact, 'again');
  expect(fetched.code, fetched.report).toBe(0);

  // Bundles of before and of after.
  second = await build('second');
  const after = await fetchFrom(oldAddress, second.artifact, 'second', '--bundle-out', `${bundle}.2`);
  expect(after.code, after.report).toBe(0);
  for (const [folder, file] of [
    ['first', bundle],
    ['second', `${bundle}.2`],
  ] as const) {
    const args = ['verify', cluster.fetched(folder), '--bundle', file, '--project', cluster.project];
    const verified = await cluster.cli(args, { home: 'offline', cwd: cluster.dir });
    expect(verified.lines[0], verified.report).toMatchObject({ ok: true, level: 'trusted' });
  }
  const online = ['--online', '--bootstrap', oldAddress, '--project', cluster.project];
  const asked = await cluster.cli(['verify', cluster.fetched('first'), '--bundle', bundle, ...online], {
    home: 'asker',
    cwd: cluster.dir,
  });
  expect(asked.lines[0], asked.report).toMatchObject({ ok: true });

  // Another start goes on with the new key, the same journal and the same log.
  await cluster.control.stop();
  await cluster.startController();
  expect(cluster.control.all('listening')[0]?.id).toBe(controller);
  expect(cluster.control.all('charter')).toEqual([]);
  expect((await cluster.show(first.run)).level).toBe('trusted');
  expect(epoch).toBe(3);
});

it('an identity provider with another key leaves tickets and grants good until the one before is dropped', async () => {
  const [eves, finns] = [await cluster.ticket('eve'), await cluster.ticket('finn')];
  const { idps, before } = await rotate('idp');
  expect(idps).toHaveLength(2);
  await (await cluster.join('eve', eves)).event('connected');
  const { gone } = (await cluster.cli(['rotate', 'idp', '--finish'])).lines[0] ?? {};
  expect(gone).toEqual([before]);
  await cluster.control.event('charter', { where: ({ says }) => String(says).endsWith('epoch 5') });
  const late = await cluster.cli(['join', finns, '--yes', '--tier', 'namespace'], { home: 'finn' });
  expect([late.code, late.error], late.report).toEqual([2, 'TICKET_ISSUER_MISMATCH']);
  expect(late.report).toMatch(/new one/);
  await build('third');
});

it('a trusted worker that is replaced is told so, and its successor confirms', async () => {
  const { lines } = await cluster.cli(['key'], { home: 'tower' });
  const tower = String(lines[0]?.key);
  const since = cluster.worker('tower').mark();
  await rotate('trusted-worker', '--remove', tower);
  await cluster.trusted('keep');
  await build('fourth');
  await cluster.worker('tower').event('feed', {
    since,
    where: ({ says }) => String(says).includes('does not name'),
  });
  const again = await fetchFrom(oldAddress, first.artifact, 'of the tower');
  expect(again.code, again.report).toBe(0);
  const unknown = await cluster.cli(['rotate', 'trusted-worker', '--remove', tower]);
  expect([unknown.code, unknown.error], unknown.report).toEqual([2, 'TRUSTED_KEY_NOT_NAMED']);
});

it('a key that was stolen is replaced and revoked: what it signed is void, what the next one signs holds', async () => {
  const old = String(cluster.control.all('listening')[0]?.id);
  await rotate('controller');
  const fresh = await build('fifth');
  const revoked = await cluster.cli(['revoke', old, '--since', '0', '--reason', 'stolen']);
  expect(revoked.lines[0], revoked.report).toMatchObject({ kind: 'key', id: old, byRoot: true });
  const stolen = await fetchFrom(oldAddress, second.artifact, 'stolen');
  expect([stolen.code, stolen.error], stolen.report).toEqual([1, 'NOT_TRUSTED']);
  expect(stolen.report).toContain('KEY_REVOKED');
  const before = await fetchFrom(oldAddress, first.artifact, 'before');
  expect(before.code, before.report).toBe(0);
  const good = await fetchFrom(oldAddress, fresh.artifact, 'good');
  expect(good.code, good.report).toBe(0);
});

it('a controller whose key was replaced while it was stopped is found, by the charter of its folder', async () => {
  await cluster.control.stop();
  const { code, report } = await cluster.cli(['rotate', 'controller']);
  expect(code, report).toBe(0);
  await cluster.startController();
  await build('later');
});
