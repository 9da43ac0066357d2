import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { controllerNodeLimits } from '../../src/controller/node/limits.ts';
import { issueInvite } from '../../src/identity/idp.ts';
import { encodeTicket } from '../../src/identity/ticket.ts';
import { artifactLimits } from '../../src/node/artifacts/limits.ts';
import { openProjectFolder } from '../../src/owner/project-folder.ts';
import { openStore } from '../../src/store/index.ts';
import { withLimits } from '../support/with-limits.ts';
import type { Answer } from './support/any-cluster.ts';
import { git } from './support/git.ts';
import { jobFile, program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start();
});

const refusal = ({ code, error }: Answer) => ({ code, error });

const joining = (ticket: string, home: string, ...more: string[]) =>
  cluster.cli(['join', ticket, '--yes', '--tier', 'namespace', ...more], { home, cwd: cluster.dir });

/** A ticket of the project, or with its keys, that differs in something from what `invite` makes. */
async function forged(
  changes: Partial<Parameters<typeof issueInvite>[1]>,
  dir = cluster.projectDir,
): Promise<string> {
  const folder = await openProjectFolder(dir);
  const { addrs } = (await (await openProjectFolder(cluster.projectDir)).address()) ?? { addrs: [] };
  const usual = { project: folder.project, operator: 'eve', role: 'reader', addrs, now: Date.now() } as const;
  const { raw } = await issueInvite(folder.idp.signer, { ...usual, ...changes });
  return encodeTicket({ invite: raw });
}

describe('join refuses', () => {
  it('a ticket that was cut or changed', async () => {
    const ticket = await forged({});
    expect(refusal(await joining(ticket.slice(0, -20), 'a'))).toEqual({ code: 2, error: 'TICKET_MALFORMED' });
    const changed = `${ticket.slice(0, 120)}${ticket[120] === 'A' ? 'B' : 'A'}${ticket.slice(121)}`;
    const answer = await joining(changed, 'a');
    expect(answer.code, answer.report).not.toBe(0);
    expect(answer.error).toMatch(/^(DOC|TICKET)_/);
  });

  it('a ticket that is over', async () => {
    const answer = await joining(await forged({ now: Date.now() - 3_600_000, seconds: 60 }), 'a');
    expect([answer.code, answer.error], answer.report).toEqual([2, 'TICKET_EXPIRED']);
  });

  it('a home from which a worker of another project runs', async () => {
    // The store of that worker, whatever its project.
    const held = await openStore({ dir: join(cluster.home('two'), 'store') });
    const answer = await joining(await cluster.ticket('two'), 'two');
    await held.close();
    expect([answer.code, answer.error], answer.report).toEqual([3, 'HOME_IN_USE']);
    expect(answer.report).toContain('--home');
  });

  it('a ticket of another project that points to this controller', async () => {
    const other = join(cluster.dir, 'other-project');
    await mkdir(other);
    await git(other, 'init', '--quiet');
    await cluster.cli(['init'], { cwd: other });
    expect(refusal(await joining(await forged({}, other), 'a'))).toEqual({
      code: 3,
      error: 'CHARTER_ISSUER_MISMATCH',
    });
  });

  it('a ticket for another key', async () => {
    const { lines } = await cluster.cli(['key'], { home: 'b' });
    const answer = await joining(await forged({ key: String(lines[0]?.key) }), 'a');
    expect(refusal(answer)).toEqual({ code: 2, error: 'TICKET_KEY_MISMATCH' });
  });

  it('a ticket with which as many machines have joined as it is for', async () => {
    const ticket = await cluster.ticket('rita', '--role', 'reader');
    expect((await joining(ticket, 'rita')).code).toBe(0);
    expect((await joining(ticket, 'rita')).code).toBe(0);
    expect(refusal(await joining(ticket, 'rita-2'))).toEqual({ code: 2, error: 'TICKET_EXHAUSTED' });
  });

  it('a ticket for a trusted worker that the charter does not name', async () => {
    const { lines } = await cluster.cli(['key'], { home: 'tower' });
    const ticket = await forged({ role: 'trusted-worker', key: String(lines[0]?.key) });
    const answer = await joining(ticket, 'tower');
    expect([answer.code, answer.error], answer.report).toEqual([3, 'TRUSTED_KEY_NOT_IN_CHARTER']);
  });

  it('a ticket whose controller nobody can reach', async () => {
    const { controller } = await openProjectFolder(cluster.projectDir);
    const addrs = [`/ip4/127.0.0.1/tcp/${await freePort()}/p2p/${controller.id}`];
    expect(refusal(await joining(await forged({ addrs }), 'a'))).toEqual({
      code: 3,
      error: 'CONTROLLER_UNREACHABLE',
    });
  });

  it('a folder in which a worker runs already', async () => {
    await cluster.volunteer('vera');
    const answer = await cluster.cli(['join', '--yes', '--tier', 'namespace'], {
      home: 'vera',
      cwd: cluster.dir,
    });
    expect([answer.code, answer.error], answer.report).toEqual([3, 'JOURNAL_IN_USE']);
    expect(cluster.worker('vera').alive).toBe(true);
    // A ticket of the same project is no other worker: nobody is asked, and no sandbox is looked at, for nothing.
    const ticket = await cluster.ticket('vera-again');
    const again = await cluster.cli(['join', ticket], { home: 'vera', cwd: cluster.dir });
    expect([again.code, again.error], again.report).toEqual([3, 'JOURNAL_IN_USE']);
  });
});

describe('controller refuses', () => {
  it('a folder in which a controller runs already', async () => {
    withLimits(controllerNodeLimits, { journalWaitMs: 100 });
    const answer = await cluster.cli(['controller', '--listen', '/ip4/127.0.0.1/tcp/0']);
    expect([answer.code, answer.error], answer.report).toEqual([3, 'JOURNAL_IN_USE']);
    expect(cluster.control.alive).toBe(true);
  });

  it('a port that somebody else has', async () => {
    const server = createServer();
    onTestFinished(() => void server.close());
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const cwd = join(cluster.dir, 'other-project');
    const answer = await cluster.cli(['controller', '--listen', `/ip4/127.0.0.1/tcp/${port}`], { cwd });
    expect([answer.code, answer.error], answer.report).toEqual([3, 'MESH_LISTEN_FAILED']);
  });
});

describe('run refuses', () => {
  const run = (url: string, ...more: string[]) => cluster.cli(['run', url, ...more]);

  it('a git server that does not answer, and a repository it does not have', async () => {
    const silent = await run(`git://127.0.0.1:${await freePort()}/x`);
    expect(silent.code, silent.report).toBe(3);
    expect(silent.error).toMatch(/^SOURCE_/);
    const none = await run(cluster.git.url('no-such'));
    expect(none.code, none.report).toBe(3);
    expect(none.error).toMatch(/^SOURCE_/);
  });

  it('a server the charter does not allow', async () => {
    const other = await cluster.git.commit('plain', program('plain'));
    const answer = await run(other.replace('127.0.0.1', 'localhost'));
    expect([answer.code, answer.error], answer.report).toEqual([2, 'SOURCE_HOST_NOT_ALLOWED']);
  });

  it('a commit without a job file, or with one that is wrong, and a job it does not have', async () => {
    const none = await run(await cluster.git.commit('none', { 'readme.txt': 'x' }));
    expect(refusal(none)).toEqual({ code: 2, error: 'JOBFILE_NOT_FOUND' });
    const wrong = await run(
      await cluster.git.commit('wrong', { 'quorate.yaml': 'jobs: {build: {image: 7}}' }),
    );
    expect(wrong.code, wrong.report).toBe(2);
    expect(wrong.error).toMatch(/^JOBFILE_/);
    const other = await run(cluster.git.url('plain'), '--job', 'test');
    expect(other.code, other.report).toBe(2);
  });

  it('a policy weaker than the floor in the charter', async () => {
    const weak = jobFile({ run: ['true'], agree: 1, of: 1 });
    const answer = await run(await cluster.git.commit('weak', { 'quorate.yaml': weak }));
    expect([answer.code, answer.error], answer.report).toEqual([2, 'POLICY_BELOW_FLOOR']);
  });

  it('a member who is no publisher', async () => {
    const answer = await cluster.cli(['run', cluster.git.url('plain')], {
      home: 'rita',
      cwd: cluster.dir,
    });
    expect([answer.code, answer.error], answer.report).toEqual([3, 'GRANT_ROLE_MISMATCH']);
  });

  it('to wait longer than it was told to; the job goes on', async () => {
    const timeLimit = new AbortController();
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    const limit = vi.spyOn(AbortSignal, 'timeout');
    onTestFinished(() => limit.mockRestore());
    limit.mockImplementation((ms) => (ms === 47_000 ? timeLimit.signal : timeout(ms)));
    const following = await cluster.submit(cluster.git.url('plain'), '--timeout', '47s');
    timeLimit.abort(new DOMException('47 s are over', 'TimeoutError'));
    const answer = await cluster.answer(following);
    expect([answer.code, answer.error], answer.report).toEqual([3, 'CLI_TIMEOUT']);
    expect(answer.report).toContain('The job goes on');
    expect((await cluster.show(following.run)).state).toBe('building');
    const early = await run(cluster.git.url('plain'), '--timeout', '47s');
    expect([early.code, early.error], early.report).toEqual([3, 'CLI_TIMEOUT']);
    expect(early.report).toContain('Nothing was published');
  });
});

describe('show, logs and fetch refuse', () => {
  it('a job nobody knows', async () => {
    for (const command of ['show', 'logs']) {
      const answer = await cluster.cli([command, 'bafyreib3none']);
      expect([answer.code, answer.error], answer.report).toEqual([2, 'JOB_UNKNOWN']);
    }
  });

  it('a machine that belongs to no project', async () => {
    const answer = await cluster.cli(['jobs'], { home: 'nobody', cwd: cluster.dir });
    expect([answer.code, answer.error], answer.report).toEqual([2, 'MEMBERSHIP_NOT_FOUND']);
  });

  it('an artifact nobody has', async () => {
    withLimits(artifactLimits, { againMs: 1 });
    const cid = 'bafybeihpiyu6gtyikvqta4x33vaj7jjgpfqhid7c3uu7dgckf6g67x4qxm';
    const answer = await cluster.fetch(cid, 'nothing');
    expect([answer.code, answer.error], answer.report).toEqual([3, 'ARTIFACT_NOT_FOUND']);
  });

  it('a controller that is not there', async () => {
    await cluster.control.stop();
    const answer = await cluster.cli(['jobs']);
    expect([answer.code, answer.error], answer.report).toEqual([3, 'CONTROLLER_UNREACHABLE']);
    expect(answer.report).toMatch(/quorate controller; .*: quorate up"/);
  });
});
