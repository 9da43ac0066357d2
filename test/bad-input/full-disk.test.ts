import { existsSync } from 'node:fs';
import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { git } from '../e2e/support/git.ts';
import { jobFile, program } from '../e2e/support/jobs.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import { Proc } from '../e2e/support/processes.ts';
import { until } from '../e2e/support/wait.ts';
import { codeIn, Person } from './support/person.ts';
import { provider } from './support/provider.ts';
import { listed, seenBy, withDisk } from './support/small-disk.ts';

let person: Person;

beforeAll(async () => {
  person = await Person.arrive();
});

async function folder(name: string): Promise<string> {
  const dir = person.at(name);
  await mkdir(dir, { recursive: true });
  return dir;
}

describe('a disk that fills up while quorate fetch', () => {
  it('downloads', async () => {
    const { where, artifact } = await provider(person.at('p1'), 12_000_000);
    const TMPDIR = await folder('small-tmp');
    const within = listed(TMPDIR, '8m', person.at('left'));
    const fetch = await person.run(['fetch', artifact, '-o', person.at('got-1'), ...where], {
      within,
      env: { TMPDIR },
    });
    expect([fetch.code, codeIn(fetch.err)], fetch.report).toEqual([3, 'STORE_DISK_FULL']);
    expect(fetch.err).toMatch(/hint: Free disk space/);
    expect(await readFile(person.at('left'), 'utf8')).toBe('');
    expect(existsSync(person.at('got-1'))).toBe(false);
  });

  it('writes the files out', async () => {
    const { where, artifact } = await provider(person.at('p2'), 12_000_000);
    const disk = await folder('small-dest');
    const within = listed(disk, '8m', person.at('left'));
    const fetch = await person.run(['fetch', artifact, '-o', join(disk, 'got'), ...where], { within });
    expect([fetch.code, codeIn(fetch.err)], fetch.report).toEqual([3, 'STORE_DEST_FAILED']);
    expect(fetch.err).toContain(join(disk, 'got'));
    expect(await readFile(person.at('left'), 'utf8')).toBe('');
    expect(await person.litter()).toEqual([]);
  });
});

describe('a disk that fills up under a worker', () => {
  it('gives up a build that does not fit, and frees its room; ends with what to do when it cannot journal', async () => {
    const cluster = await LocalCluster.start({ slotWait: '10m' });
    const home = cluster.home('ada');
    await mkdir(home, { recursive: true });
    const ticket = await cluster.ticket('ada');
    const start = (...more: string[]): Proc => {
      const args = [
        'join',
        ...more,
        '--yes',
        '--tier',
        'namespace',
        '--listen',
        '/ip4/127.0.0.1/tcp/0',
        '--json',
      ];
      const [program = '', ...command] = [...withDisk(home, '24m'), ...person.command(args, { home })];
      return new Proc('ada', program, command, { cwd: person.at('folder'), env: person.env() });
    };
    const worker = start(ticket);
    await worker.event('connected');

    // Larger than any disk of this size.
    const large = await cluster.submit(
      await cluster.git.commit('large', {
        'quorate.yaml': jobFile({ run: ['head -c 40000000 /dev/urandom > "$OUT/large"'] }),
      }),
    );
    const { data } = await worker.event('built');
    expect((data as { outcome: object }).outcome).toMatchObject({
      kind: 'aborted',
      reason: 'sandbox',
      detail: expect.stringMatching(/^STORE_DISK_FULL: /),
    });
    expect(worker.alive, worker.report()).toBe(true);
    await until('the receipt', () => large.all('delivered').length === 1 || large.all('lost').length === 1);
    // Its round goes on, and keeps the log; what was stored of the outputs is gone at once.
    await until('its room to be free again', async () => {
      const { bavail, bsize } = await statfs(seenBy(worker, home));
      return bavail * bsize > 16_000_000;
    });

    // Now it is full to the last block: the next event cannot be journaled.
    const ballast = seenBy(worker, join(home, 'ballast'));
    await writeFile(ballast, Buffer.alloc(30_000_000)).catch(() => {});
    await cluster.submit(await cluster.git.commit('next', program('next')));
    const ended = await worker.end();
    expect(ended.code, worker.report()).toBe(3);
    const failure = worker.lines.find(({ error }) => error !== undefined)?.error;
    expect(failure).toMatchObject({
      code: 'JOURNAL_UNWRITABLE',
      message: expect.stringContaining(home),
      hint: expect.stringContaining('Make room'),
    });
  });
});

it('a disk that fills up under a backup: nothing of it is left, and the home is as it was', async () => {
  const [repo, disk] = [await folder('backed-up'), await folder('small-backups')];
  await git(repo, 'init', '--quiet');
  const made = await person.inside(['init', '--name', 'tools', '--vcs', '127.0.0.1:1'], { cwd: repo });
  expect(made.code, made.report).toBe(0);
  await mkdir(join(repo, '.quorate', 'logs'));
  await writeFile(join(repo, '.quorate', 'logs', 'long.log'), Buffer.alloc(1_000_000));
  const within = listed(disk, '256k', person.at('left'));
  const backup = await person.run(['controller', 'backup', join(disk, 'one')], { within, cwd: repo });
  expect([backup.code, codeIn(backup.err)], backup.report).toEqual([3, 'BACKUP_UNWRITABLE']);
  expect(backup.err).toMatch(/hint: Nothing is left of it/);
  expect(await readFile(person.at('left'), 'utf8')).toBe('');
  expect((await person.inside(['controller', 'check'], { cwd: repo })).code).toBe(0);
});
