import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { openHome } from '../../src/node/membership/home.ts';
import { openProjectFolder } from '../../src/owner/project-folder.ts';
import { encodeEquivocation } from '../../src/protocol/documents/index.ts';
import {
  formatCheckpoint,
  signCheckpoint,
  witnessCheckpoint,
} from '../../src/protocol/transparency/index.ts';
import { Terminal } from '../bad-input/support/terminal.ts';
import { quorateWords } from '../support/program.ts';
import { Cluster } from './support/cluster.ts';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({
    volunteers: ['ada', 'ben', 'cyd'],
    trusted: true,
    bootstrap: true,
    slotWait: '5s',
  });
});

interface Verified {
  ok: boolean;
  code: string | null;
  level: string;
  revocations: { known: number; askedAt: number | null };
  steps: { says: string }[];
}

it('of operators: a consumer with an old bundle learns it from whoever it asks next, and remembers', async () => {
  const run = await cluster.submit(await cluster.git.commit('tool', program('good')));
  expect((await run.end()).code, run.report()).toBe(0);
  const artifact = String(run.lines.at(-1)?.artifact);
  const bundle = join(cluster.dir, 'tool.bundle');
  const fetched = await cluster.fetch(artifact, 'tool', '--bundle-out', bundle);
  expect(fetched.code, fetched.report).toBe(0);

  const verify = async (home: string, ...more: string[]) => {
    const args = ['verify', cluster.fetched('tool'), '--bundle', bundle, '--project', cluster.project];
    const answer = await cluster.cli([...args, ...more], { home, cwd: cluster.dir });
    return { ...answer, said: answer.lines[0] as unknown as Verified };
  };
  // That fetch asked; another consumer has not.
  const before = await verify('stranger');
  expect(before.said, before.report).toMatchObject({ ok: true, revocations: { known: 0 } });
  expect(before.said.revocations.askedAt).toBeGreaterThan(0);
  expect((await verify('other')).said).toMatchObject({
    ok: true,
    revocations: { known: 0, askedAt: null },
  });

  const revoke = async (...args: string[]) => {
    const answer = await cluster.cli(['revoke', ...args]);
    expect(answer.code, answer.report).toBe(0);
    return answer.lines[0];
  };
  // From now on: what it built before still counts.
  expect(await revoke('ada', '--reason', 'sold the laptop')).toMatchObject({ kind: 'operator', id: 'ada' });
  await cluster.worker('ada').event('revoked');
  expect((await cluster.cli(['show', run.run])).lines[0]).not.toHaveProperty('summary.revoked');

  expect(await revoke('ada', '--reason', 'once more')).toMatchObject({
    already: true,
    reason: 'sold the laptop',
  });
  const invited = await cluster.cli(['invite', 'ada']);
  expect([invited.code, invited.error], invited.report).toEqual([2, 'CLI_USAGE']);
  expect(invited.report).toContain('under another name');

  // From the beginning: the verdict does not stand without them.
  await revoke('ada', '--reason', 'it was stolen long ago', '--since', '0');
  const out = join(cluster.dir, 'ben.revocation');
  await revoke('ben', '--reason', 'the same person', '--since', '0', '--out', out);
  const { lines } = await cluster.cli(['show', run.run]);
  expect(lines[0]).toMatchObject({
    summary: { level: 'trusted', revoked: { what: 'operator', since: 0 } },
  });
  expect((await cluster.cli(['jobs'], {})).lines[0]).toMatchObject([{ revoked: { what: 'operator' } }]);

  const again = await cluster.fetch(artifact, 'again');
  expect([again.code, again.error], again.report).toEqual([1, 'NOT_TRUSTED']);
  expect(again.report).toContain('EVIDENCE_REVOKED');
  expect(again.report).toMatch(/it was stolen long ago|the same person/);
  expect((await verify('stranger')).said).toMatchObject({ ok: false, code: 'EVIDENCE_REVOKED' });

  // An old bundle and no network: nothing is known there, and the answer says so.
  expect((await verify('other')).said).toMatchObject({ ok: true, revocations: { known: 0 } });
  // The workers tell as well.
  await Promise.all(['ben', 'cyd'].map((name) => cluster.worker(name).events('revoked', 3)));
  await cluster.control.stop();
  const online = ['--online', '--bootstrap', String(cluster.bootstrapAddress)];
  const told = await verify('other', ...online);
  expect(told.said, told.report).toMatchObject({ ok: false, code: 'EVIDENCE_REVOKED' });
  expect(told.code).toBe(1);
  expect((await verify('other')).said).toMatchObject({ code: 'EVIDENCE_REVOKED', revocations: { known: 3 } });

  // By file, where nobody can be asked.
  const byFile = await verify('third', '--revocations', out);
  expect(byFile.said, byFile.report).toMatchObject({ ok: true, revocations: { known: 1, askedAt: null } });
  const nobody = await verify(
    'third',
    '--online',
    '--bootstrap',
    '/ip4/127.0.0.1/tcp/9/p2p/12D3KooWPwh5EADxnN1KXQFTrmGAXycZqZRVKHG7wcx7mczYTDRk',
  );
  expect([nobody.code, nobody.error], nobody.report).toEqual([3, 'REVOCATION_NO_ANSWER']);
});

it('is refused where its signer may not', async () => {
  await cluster.startController();
  const { lines } = await cluster.cli(['key'], { home: 'tower' });
  const tower = String(lines[0]?.key);
  const root = join(cluster.projectDir, '.quorate', 'root.key');
  const { rename } = await import('node:fs/promises');
  await rename(root, `${root}.away`);
  const refused = await cluster.cli(['revoke', tower, '--reason', 'gone']);
  expect([refused.code, refused.error], refused.report).toEqual([2, 'REVOCATION_NEEDS_ROOT']);
  await rename(`${root}.away`, root);
  const done = await cluster.cli(['revoke', tower, '--reason', 'gone']);
  expect(done.lines[0], done.report).toMatchObject({ kind: 'key', id: tower, byRoot: true });
  const unknown = await cluster.cli(['revoke', 'adda', '--reason', 'a typing error']);
  expect([unknown.code, unknown.error], unknown.report).toEqual([2, 'REVOCATION_TARGET_UNKNOWN']);
});

it('of the log itself, by evidence: it voids what a trusted worker signed where that one signed both stories', async () => {
  const { controller, charterJws: charter } = await openProjectFolder(cluster.projectDir);
  const { project } = cluster;
  const signed = (root: string) =>
    signCheckpoint(formatCheckpoint({ project, size: 5, root: root.repeat(64) }), controller.signer);
  const tower = await openHome(cluster.home('tower')).key();
  const lined = async (note: string) => note + (await witnessCheckpoint(note, tower.signer, 1_700_000_000));
  const written = async (name: string, roots: [string, string], line = async (note: string) => note) => {
    const file = join(cluster.dir, name);
    const [one, two] = [await signed(roots[0]), await signed(roots[1])];
    const checkpoints: [string, string] = [await line(one), await line(two)];
    await writeFile(file, encodeEquivocation({ v: 1, kind: 'roots', charter, checkpoints }));
    return file;
  };
  const check = async (file: string, home: string) =>
    cluster.cli(['verify', '--equivocation', file, '--project', project], { home, cwd: cluster.dir });
  const nothing = await check(await written('false.json', ['a', 'a']), 'third');
  expect(nothing.lines[0], nothing.report).toMatchObject({ ok: false, code: 'EQUIVOCATION_UNPROVEN' });
  expect(nothing.code).toBe(1);

  const bundle = ['verify', cluster.fetched('tool'), '--bundle', join(cluster.dir, 'tool.bundle')];
  const verify = async (home: string, ...more: string[]) =>
    (await cluster.cli([...bundle, '--project', project, ...more], { home, cwd: cluster.dir })).lines[0];
  expect(await verify('third')).toMatchObject({ ok: true });
  // The trusted worker co-signed it, and signed one log.
  const alone = await check(await written('alone.json', ['a', 'b']), 'third');
  expect(alone.lines[0], alone.report).toMatchObject({ ok: true, lines: 0 });
  expect(await verify('third')).toMatchObject({ ok: true });
  const evidence = await written('evidence.json', ['a', 'b'], lined);
  const proven = await check(evidence, 'third');
  expect(proven.lines[0], proven.report).toMatchObject({ ok: true, log: controller.id, lines: 2 });
  expect(proven.code).toBe(0);
  expect(await verify('third')).toMatchObject({ ok: false, code: 'LOG_EQUIVOCATED' });

  // A worker has it, and comes back.
  await cluster.worker('cyd').stop();
  await check(evidence, 'cyd');
  await (await cluster.join('cyd')).event('equivocated');
  await cluster.control.event('equivocated');
  const jobs = await cluster.cli(['jobs']);
  expect(jobs.report).toContain('LOG_EQUIVOCATED');
  const status = await cluster.cli(['worker', 'status'], { home: 'cyd', cwd: cluster.dir });
  expect(status.lines[0], status.report).toMatchObject({
    status: { state: 'refusing', log: expect.stringContaining('signed two logs of 5 leaves') },
  });
  const online = await verify('fourth', '--online', '--bootstrap', String(cluster.bootstrapAddress));
  // A consumer that also hears that the root ended that worker's key counts its lines for neither story; the operators are revoked.
  expect(online).toMatchObject({ ok: false, code: 'EVIDENCE_REVOKED' });
});

it('one operator fewer than a round asks for costs seconds, and says so; whoever revokes a further one is asked at a terminal', async () => {
  const small = await Cluster.start({ volunteers: ['ada', 'ben'], trusted: true });
  const run = await small.submit(await small.git.commit('tool', program('short')));
  expect((await run.end()).code, run.report()).toBe(0);
  expect(run.all('verdict').at(-1)).toMatchObject({ level: 'trusted' });
  const waits = run.all('account').find(({ reason }) => String(reason).includes('another operator'));
  expect(waits, run.report()).toMatchObject({ state: 'sealed' });
  const at = (event: string) => Number(run.all(event).at(-1)?.at);
  // Without the short wait it is ten minutes.
  expect(at('unfilled') - at('delivered')).toBeLessThan(60_000);

  const revoke = (...more: string[]) => {
    const words = [
      ...quorateWords,
      '--home',
      small.home('owner'),
      'revoke',
      'ben',
      '--reason',
      'left',
      ...more,
    ];
    return new Terminal(words, { columns: 100, rows: 40, cwd: small.projectDir, env: small.env });
  };
  const asked = revoke();
  await asked.shows('Without ben the project has 1 operator');
  await asked.shows('Revoke ben? [y/N]');
  asked.type('\n');
  await asked.end();
  expect(small.worker('ben').all('revoked')).toEqual([]);

  const agreed = revoke('--yes');
  await small.worker('ben').event('revoked');
  expect(await agreed.end()).toBe(0);
  expect(agreed.text).not.toContain('[y/N]');
  expect(agreed.text).toContain('Without ben the project has 1 operator');
});
