import { writeFileSync } from 'node:fs';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { ControllerEvent } from '../../src/controller/machine/events.ts';
import { openControllerJournal } from '../../src/controller/node/controller-journal.ts';
import { generateSeed, loadKey, type NodeKey } from '../../src/identity/keys.ts';
import { openMesh, projectRendezvous } from '../../src/mesh/index.ts';
import { serveRevocations } from '../../src/node/artifacts/revocations.ts';
import { ask } from '../../src/node/membership/credentials.ts';
import { byPeer } from '../../src/node/membership/join.ts';
import { meshDial } from '../../src/node/ports.ts';
import { openProjectFolder } from '../../src/owner/project-folder.ts';
import { revoke } from '../../src/owner/revoke.ts';
import { decodeBundle, type Revocation, signMessage } from '../../src/protocol/documents/index.ts';
import { cidOf } from '../support/documents.ts';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import { deadlineMs, sleep } from './support/wait.ts';

let cluster: LocalCluster;
let artifact = '';
let thief: NodeKey;
let charter = '';
let address = '';
/** Of the log, when the key was stolen. */
let since = 0;
/** Id of what the owner had revoked before. */
let ours = '';

const rotation = await readFile(join(import.meta.dirname, '../../docs/rotation.md'), 'utf8');
const [, day = ''] = rotation.split('## The day a key is stolen');
/** The commands that the page tells, by their first words. */
const told = [...(day.split('\n## ')[0] ?? '').matchAll(/^ +(quorate .+)$/gm)].map(([, line = '']) => line);

/** Types a command of the page, with what its placeholders stand for. */
async function type(begins: string, values: Record<string, string> = {}) {
  const line = told.find((one) => one.startsWith(begins));
  expect(line, `${begins} in docs/rotation.md`).toBeDefined();
  const filled = Object.entries(values).reduce(
    (text, [name, value]) => text.replace(`<${name}>`, value),
    line ?? '',
  );
  expect(filled).not.toMatch(/<[a-z ]+>/);
  const args = [...filled.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  return cluster.cli(args.slice(1));
}

const signed = (what: Revocation['what'], reason: string) =>
  signMessage(
    'revocation',
    { iss: thief.id, project: cluster.project, what, since: 0, reason, iat: Math.floor(Date.now() / 1000) },
    thief.signer,
  );

/** As a stranger with no key of the project but the one that was stolen. */
async function bring(raw: string) {
  const mesh = await openMesh({ key: generateSeed(), listen: [], bootstrap: [], topics: [], role: 'node' });
  try {
    const dial = meshDial(mesh, AbortSignal.timeout(120_000));
    const question = { kind: 'revoke', revocation: raw } as const;
    return await ask(dial, byPeer([address]), question, AbortSignal.timeout(120_000)).then(
      ({ answer }) => answer.kind,
      (error: { code: string }) => error.code,
    );
  } finally {
    await mesh.close();
  }
}

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
  const run = await cluster.submit(await cluster.git.commit('tool', program('one')), '--ref', 'main');
  expect((await run.end()).code, run.report()).toBe(0);
  artifact = (await cluster.show(run.run)).artifact;
  const folder = join(cluster.projectDir, '.quorate');
  charter = decodeBundle(await readFile(join(folder, 'bundles', `${run.run}.json`), 'utf8')).charter;
  address = String((cluster.control.all('listening')[0]?.addresses as string[] | undefined)?.[0]);
  const before = await cluster.cli(['revoke', cidOf('old and broken'), '--reason', 'it was broken']);
  expect(before.code, before.report).toBe(0);
  since = Number(before.lines[0]?.index) + 1;
  const stolen = join(cluster.dir, 'stolen.key');
  await copyFile(join(folder, 'idp.key'), stolen);
  thief = await loadKey(stolen);
});

async function members() {
  const { code, lines, report } = await cluster.cli(['controller', 'members']);
  expect(code, report).toBe(0);
  return (lines[0] as unknown as { members: { operator: string; by: string; state: string }[] }).members;
}

const fetched = async (folder: string) => {
  const { code, error } = await cluster.fetch(artifact, folder);
  return [code, error];
};

it('the day the identity provider’s key is stolen: each step of the page, one after the other', async () => {
  expect(await bring((await signed({ kind: 'artifact', id: artifact }, 'the thief')).raw)).toBe('revoked');
  expect(await fetched('voided')).toEqual([1, 'NOT_TRUSTED']);

  const rotated = await type('quorate rotate idp', { index: String(since) });
  expect(rotated.code, rotated.report).toBe(0);
  const { ended, before } = rotated.lines[0] as unknown as {
    before: string;
    ended: {
      key: string;
      since: number;
      keeps: { id: string; reason: string }[];
      voids: { reason: string }[];
    }[];
  };
  expect(before).toBe(thief.id);
  expect(ended).toMatchObject([
    { key: thief.id, since, keeps: [{ reason: 'it was broken' }], voids: [{ reason: 'the thief' }] },
  ]);
  ours = ended[0]?.keeps[0]?.id ?? '';

  // Directly afterwards, while the controller goes on under the next key.
  let isRevoked = false;
  const revoking = type('quorate revoke <old key> --since <index> --reason', {
    'old key': thief.id,
    index: String(since),
  }).finally(() => {
    isRevoked = true;
  });
  while (!isRevoked) {
    await members();
    await sleep(100);
  }
  const again = await revoking;
  expect(again.code, again.report).toBe(0);
  expect(again.lines[0]).toMatchObject({ byRoot: true, keeps: [{ id: ours }] });

  const joined = await members();
  expect(joined.map(({ operator }) => operator)).toEqual(
    expect.arrayContaining(['ada', 'ben', 'cyd', 'tower', 'owner']),
  );
  for (const { by, state } of joined) expect([by, state]).toEqual([thief.id, 'member']);
  expect(await fetched('again')).toEqual([0, undefined]);
  const late = await signed({ kind: 'artifact', id: artifact }, 'the thief again');
  expect(await bring(late.raw)).toMatch(/^(KEY_REVOKED|REVOCATION_ISSUER_MISMATCH)$/);
});

it('and afterwards its revocations count nowhere, whoever brings them', async () => {
  const bundle = join(cluster.dir, 'tool.bundle');
  const got = await cluster.fetch(artifact, 'tool', '--bundle-out', bundle);
  expect(got.code, got.report).toBe(0);
  const late = await signed({ kind: 'artifact', id: artifact }, 'because I can');
  const mesh = await openMesh({
    key: generateSeed(),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [address],
    topics: [],
    role: 'node',
  });
  serveRevocations(mesh, {
    page: () => ({ charters: [charter], revocations: [late.raw] }),
    evidence: () => [],
    checkpoint: () => undefined,
  });
  await mesh.connect([address]);
  await expect
    .poll(() =>
      mesh.provide(projectRendezvous(cluster.project)).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  await mesh.provide(artifact);
  const base = ['verify', cluster.fetched('tool'), '--bundle', bundle, '--project', cluster.project];
  const verify = async (...more: string[]) => {
    const { lines, report } = await cluster.cli([...base, ...more], { home: 'consumer' });
    return { ...(lines[0] as unknown as { ok: boolean; code: string | null }), report };
  };
  const online = await verify('--online', '--bootstrap', address);
  expect(online, online.report).toMatchObject({ ok: true });
  expect(await verify()).toMatchObject({ ok: true });
  await mesh.close();
  const run = await cluster.submit(await cluster.git.commit('tool', program('two')), '--ref', 'main');
  expect((await run.end()).code, run.report()).toBe(0);
});

/** With the controller's process, between two of its lives: it has a leaf of a revocation that nobody signed. */
async function writeLeaf(id: string): Promise<number> {
  const { journal, machine } = openControllerJournal(
    await openProjectFolder(join(cluster.projectDir, '.quorate')),
  );
  for (const { event, at, rules } of journal.replay()) machine.handle(event, at, rules);
  const at = Date.now();
  const { idp: signer, log } = machine.state;
  const payload: Revocation = {
    iss: signer,
    project: cluster.project,
    what: { kind: 'job', id: cidOf('no job') },
    since: 0,
    reason: 'nobody signed this',
    iat: Math.floor(at / 1000),
  };
  const event = {
    kind: 'revoke',
    token: 'thief',
    revocation: { id, signer, payload, raw: 'e30.e30.AA' },
  } as unknown as ControllerEvent;
  const { record, durability } = machine.handle(event, at);
  expect(durability).toBe('sync');
  journal.append(event, at, record);
  journal.sync();
  journal.close();
  return log.size - 1;
}

it('the day the controller’s process was somebody else’s: a leaf stops the trusted worker until the root voids it', async () => {
  await cluster.control.stop();
  const random = 'ab'.repeat(32);
  const index = await writeLeaf(random);
  const tower = cluster.worker('tower');
  const mark = tower.mark();
  await cluster.startController();
  await tower.event('connected', { since: mark });
  const source = await cluster.git.commit('tool', program('three'));
  const stopped = await cluster.submit(source, '--ref', 'main');
  await expect.poll(() => stopped.report()).toContain('REVOCATION_WITHHELD');

  const rotated = await type('quorate rotate controller');
  expect(rotated.code, rotated.report).toBe(0);
  await stopped.end();
  const values = { 'old key': String(rotated.lines[0]?.before), index: String(index) };
  const voided = await type('quorate revoke <old key> --since <index> --void-leaf', values);
  expect(voided.code, voided.report).toBe(0);
  expect(voided.lines[0]).toMatchObject({ byRoot: true, voidLeaves: [random] });
  const shown = await cluster.cli([
    ...['revoke', values['old key'], '--since', values.index, '--void-leaf', ours, '--reason', 'no'],
  ]);
  expect(shown.error, shown.report).toBe('REVOCATION_LEAF_SHOWN');

  const run = await cluster.submit(source, '--ref', 'main');
  expect((await run.end()).code, run.report()).toBe(0);
});

it('revoke writes the document also where the controller refuses it, or is not there', async () => {
  const out = join(cluster.dir, 'refused.json');
  const refused = await cluster.cli(['revoke', 'nobody', '--reason', 'no', '--out', out]);
  expect([refused.code, refused.error], refused.report).toEqual([2, 'REVOCATION_TARGET_UNKNOWN']);
  expect(JSON.parse(await readFile(out, 'utf8')).revocations).toHaveLength(1);
  const running = await members();
  await cluster.control.stop();
  expect(await members()).toEqual(running);
  const offline = join(cluster.dir, 'offline.json');
  const folder = await openProjectFolder(join(cluster.projectDir, '.quorate'));
  // As the command does it, but for its wait for a controller that is back.
  const silent = revoke(folder, {
    what: { kind: 'artifact', id: artifact },
    reason: 'malware',
    waitMs: 0,
    signed: (list) => writeFileSync(offline, JSON.stringify(list)),
    signal: AbortSignal.timeout(deadlineMs),
  });
  await expect(silent).rejects.toMatchObject({ code: 'CONTROLLER_UNREACHABLE' });
  const bundle = join(cluster.dir, 'tool.bundle');
  const base = ['verify', cluster.fetched('tool'), '--bundle', bundle, '--project', cluster.project];
  const verified = await cluster.cli([...base, '--revocations', offline], { home: 'stranger' });
  expect(verified.lines[0], verified.report).toMatchObject({ ok: false, code: 'ARTIFACT_REVOKED' });
});
