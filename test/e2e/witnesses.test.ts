import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyFromSeed } from '../../src/identity/keys.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { openProjectFolder } from '../../src/owner/project-folder.ts';
import { decodeBundle, formatNoteKey, noteKinds } from '../../src/protocol/documents/index.ts';
import {
  formatCheckpoint,
  MerkleTree,
  openNamedWitnesses,
  originOf,
  signCheckpoint,
} from '../../src/protocol/transparency/index.ts';
import { verifyBundle } from '../../src/protocol/trust/index.ts';
import { HttpWitness } from '../../src/witness/index.ts';
import { startLitewitness } from '../support/litewitness.ts';
import { SpecifiedWitness } from '../support/specified-witness.ts';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

const name = 'witness.example/w1';
const outside = new SpecifiedWitness(name, keyFromSeed(new Uint8Array(32).fill(7)));
let server: Server;
let url: string;
let cluster: LocalCluster;

/** Files of a repository whose job requires no co-signature. */
const open = (says: string): Record<string, string> => {
  const files = program(says);
  return {
    ...files,
    'quorate.yaml': String(files['quorate.yaml']).replace('cosign: required', 'cosign: none'),
  };
};

const logKey = (project: string, log: string) => formatNoteKey(originOf(project), noteKinds.ed25519, log);

/** Files of a repository whose job is a test with a result file, under the policy that tests have by default. */
const tests = (says: string): Record<string, string> => {
  const [job = ''] = open(says)['quorate.yaml']?.split('    trust:') ?? [];
  return { ...open(says), 'quorate.yaml': `${job}    kind: test\n` };
};

/** The root signs that no co-signature is required. */
async function openFloor(): Promise<void> {
  const set = await cluster.cli(['charter', 'set', '--floor', '2/3']);
  expect(set.lines[0], set.report).toMatchObject({
    changed: true,
    floor: { agree: 2, of: 3, cosign: 'none', rounds: 8 },
    testFloor: { agree: 2, of: 3, cosign: 'none', rounds: 8 },
    lost: { floor: [expect.stringMatching(/forge every artifact/)], testFloor: [] },
  });
  await cluster.control.event('charter');
}

beforeAll(async () => {
  server = createServer((request, response) => void outside.answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  cluster = await LocalCluster.start({
    volunteers: ['ada', 'ben', 'cyd'],
    controllerArgs: ['--witness-url', `${name}=${url}`],
  });
  await openFloor();
  const folder = await openProjectFolder(cluster.projectDir);
  outside.addLog(folder.project, folder.charter.log);
});

afterAll(() => {
  server?.closeAllConnections();
  server?.close();
});

async function run(says: string): Promise<string> {
  const source = await cluster.git.commit(says, open(says));
  const ended = await cluster.submit(source);
  expect((await ended.end()).code, ended.report()).toBe(0);
  expect(ended.lines.at(-1), ended.report()).toMatchObject({ event: 'verdict', level: 'trusted' });
  return String(ended.lines.at(-1)?.artifact);
}

async function fetched(artifact: string, to: string) {
  const file = join(cluster.dir, `${to}.bundle`);
  const answer = await cluster.fetch(artifact, to, '--bundle-out', file);
  expect(answer.code, answer.report).toBe(0);
  return { file, bundle: decodeBundle(await cluster.readText(`${to}.bundle`)) };
}

describe('a test', () => {
  it('passes without a co-signature, says so, and what it puts out is no artifact', async () => {
    const job = await cluster.submit(await cluster.git.commit('test', tests('green')));
    expect((await job.end()).code, job.report()).toBe(0);
    const verdict = job.lines.at(-1);
    expect(verdict, job.report()).toMatchObject({ level: 'trusted', artifact: null, cosigned: false });
    const { reports } = verdict as { reports: string };
    const shown = await cluster.cli(['show', job.run]);
    expect(shown.lines[0], shown.report).toMatchObject({
      summary: { test: true, artifact: null, reports, cosigned: false },
    });
    for (const command of [['jobs'], ['show', job.run]]) {
      const { report } = await cluster.cli(command, { plain: true });
      expect(report).toContain('not co-signed: whoever holds the controller can forge this');
    }
    const fetched = await cluster.fetch(reports, 'reports');
    expect([fetched.code, fetched.error], fetched.report).toEqual([1, 'ARTIFACT_OF_TEST']);
  });
});

describe('a project that requires no co-signature', () => {
  it('trusts what its operators built once their workers have signed the log', async () => {
    const { bundle } = await fetched(await run('one'), 'one');
    const result = await verifyBundle(bundle, { project: cluster.project }, joseVerifier);
    expect(result).toMatchObject({ ok: true, level: 'trusted', facts: { witnesses: { named: [] } } });
    expect(result.facts?.witnesses.operators.length).toBeGreaterThanOrEqual(2);
  });

  it('waits for the witness that its charter names, says so, and has its line', async () => {
    const set = await cluster.cli(['charter', 'set', '--witness', outside.key]);
    expect(set.lines[0], set.report).toMatchObject({
      changed: true,
      witnesses: { need: 1, keys: [outside.key] },
    });
    const { epoch } = set.lines[0] as { epoch: number };
    await cluster.control.event('charter', { where: ({ says }) => String(says).endsWith(`epoch ${epoch}`) });
    outside.down = true;
    const source = await cluster.git.commit('two', open('two'));
    const job = await cluster.submit(source);
    const told = await job.event('unwitnessed');
    expect(told).toMatchObject({ named: [], namedNeeded: 1, namedMissing: [name] });
    await job.event('verdict', { where: ({ level }) => level === 'agreed' });
    expect(await cluster.show(job.run)).toMatchObject({ state: 'witnessing', level: 'agreed' });
    const jobs = await cluster.cli(['jobs'], { plain: true });
    expect(jobs.report).toContain('waits for witnesses');
    const { artifact } = await cluster.show(job.run);
    const early = await cluster.fetch(artifact, 'early');
    expect(early.code, early.report).not.toBe(0);

    outside.down = false;
    expect((await job.end()).code, job.report()).toBe(0);
    const { bundle, file } = await fetched(artifact, 'two');
    expect(await openNamedWitnesses(bundle.checkpoint, [outside.key], joseVerifier)).toMatchObject([
      { name },
    ]);
    const verified = await cluster.cli([
      ...['verify', cluster.fetched('two'), '--bundle', file, '--project', cluster.project],
    ]);
    expect(verified.lines[0], verified.report).toMatchObject({
      ok: true,
      level: 'trusted',
      facts: { witnesses: { named: [name] } },
    });
  });

  it('has a witness that refuses another history of its log', async () => {
    const { project, charter, controller } = await openProjectFolder(cluster.projectDir);
    const tree = new MerkleTree(Array.from({ length: 200 }, (_, n) => `another ${n}`));
    const body = formatCheckpoint({ project, size: tree.size, root: tree.root() });
    const asked = {
      note: await signCheckpoint(body, controller.signer),
      size: tree.size,
      prove: (old: number) => tree.consistency(old),
      timeoutMs: 30_000,
    };
    const closing = new AbortController().signal;
    const of = (key: string, at: string) =>
      new HttpWitness({ key, url: at, verifier: joseVerifier, closing });
    await expect(of(outside.key, url).ask(asked)).rejects.toMatchObject({ code: 'WITNESS_PROOF_REFUSED' });

    // The same of Debian's, which signed the true log as far as it is in the last bundle.
    const debian = await startLitewitness(name);
    await debian.addLog(originOf(project), logKey(project, charter.log));
    const { checkpoint } = decodeBundle(await cluster.readText('two.bundle'));
    const [, size = '', root = ''] = checkpoint.split('\n');
    debian.signed(originOf(project), Number(size), Buffer.from(root, 'base64').toString('hex'));
    await expect(of(debian.key, debian.url).ask(asked)).rejects.toMatchObject({
      code: 'WITNESS_PROOF_REFUSED',
    });
  });
});
