import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ProgressView } from '../../../src/client/commands/progress.ts';
import { type Client, openClient, type TimedProgress } from '../../../src/member/client.ts';
import type { SubmitOptions } from '../../../src/member/submit.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { codeOf } from '../../../src/protocol/base/errors.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { signMessage } from '../../../src/protocol/documents/index.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { openStore } from '../../../src/store/index.ts';
import { Output } from '../../../src/terminal/output.ts';
import {
  cidOf,
  commit,
  controller,
  idp,
  makeCharter,
  makeGrant,
  makeJob,
  nonceOf,
  policy,
  project,
  root,
  testKey,
} from '../../support/documents.ts';

/** Clears the screen and writes what the attacker likes; in C1 as well, and turns the reading order. */
const draws = '\u001b[2J\u001b[1;1Htrusted bafy…good\n\u009b2Jx\u202e';

const worker = testKey('worker').id;

/** A hostile text in each member of progress that takes any text; ids, codes and operators' names are checked at the wire. */
const operator = 'eve';
const artifact = cidOf('artifact');
const told = [
  { kind: 'accepted', job: artifact, name: draws, repo: draws, ref: draws, commit },
  { kind: 'round', round: 1, offer: 'ab'.repeat(32), agree: 1, of: 1, cosign: true },
  { kind: 'leased', round: 1, slot: 0, worker, operator },
  { kind: 'delivered', round: 1, slot: 0, worker, operator },
  { kind: 'lost', round: 1, slot: 0, worker, operator, reason: draws },
  {
    kind: 'revealed',
    round: 1,
    results: [{ worker, operator, slot: 0, result: draws, log: artifact }],
  },
  { kind: 'agreed', round: 1, artifact, by: [operator] },
  { kind: 'contradicted', round: 1, artifact, trusted: null },
  { kind: 'cosign-refused', worker, code: 'A_CODE', message: draws },
  { kind: 'pin-failed', artifact, detail: draws },
  { kind: 'verdict', level: 'disputed', artifact, reason: draws },
].map((progress, at) => ({ at, progress }));

let dir: string;
let liar: Mesh;
let client: Client;
/** Whether each question is answered with what answers another one. */
let isConfused = false;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-liar-'));
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  liar = await openMesh({ key: controller.seed, listen, bootstrap: [], topics: [], role: 'node' });
  liar.handle(
    protocols.api,
    async (channel) => {
      const { kind } = JSON.parse(fromUtf8((await channel.receive()) ?? new Uint8Array()));
      if (isConfused) {
        await channel.send(encodeMessage({ kind: 'revoked', index: 1 }));
        return channel.close();
      }
      const summary = {
        run: 'a'.repeat(64),
        job: cidOf('job'),
        name: 'app',
        repo: 'r',
        ref: 'f',
        commit: 'c',
        state: 'done',
        level: null,
        artifact: null,
        submittedAt: 0,
        round: 1,
        policy: { agree: policy.agree, of: policy.of, cosign: true },
      };
      if (kind === 'show')
        await channel.send(encodeMessage({ kind: 'job', summary, history: told, pipeline: [] }));
      if (kind === 'submit')
        await channel.send(
          encodeMessage({ kind: 'accepted', run: 'b'.repeat(64), job: cidOf('another job') }),
        );
      for (const line of kind === 'follow' ? told : [])
        await channel.send(encodeMessage({ kind: 'progress', ...line }));
      if (kind === 'follow') await channel.send(encodeMessage({ kind: 'end' }));
      await channel.close();
    },
    { maxInboundStreams: 8, maxMessageBytes: 1_000_000 },
  );
  const home = openHome(dir);
  const iat = Math.floor(Date.now() / 1000);
  const key = await home.key();
  const grant = makeGrant(key, 'owner', 'publisher', { iat, exp: iat + 86_400 });
  client = await openClient({
    home,
    membership: {
      project,
      name: 'example',
      operator: 'owner',
      role: 'publisher',
      bootstrap: [],
      charter: (await signMessage('charter', makeCharter(), root.signer)).raw,
      grant: (await signMessage('grant', grant, idp.signer)).raw,
      controllers: [{ id: liar.id, addrs: liar.addresses() }],
    },
    signal: AbortSignal.timeout(120_000),
  });
});
afterAll(async () => {
  await client.close();
  await liar.close();
  await rm(dir, { recursive: true, force: true });
});

/** The terminal of somebody who is told this. */
function shown(history: TimedProgress[]): string {
  let text = '';
  const sink = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const out = new Output(sink, sink, { json: false, colour: false });
  const view = new ProgressView(out.lastRows(), out.colours);
  for (const { at, progress } of history) view.show(at, progress);
  view.end();
  return text;
}

/** Lines that the controller wrote alone. */
const ownLines = (text: string): string[] =>
  text.split('\n').filter((line) => /^(trusted|\\x9b2Jx)/.test(line));

const drawing = /[^\P{Cc}\n]|[\u2028-\u202e\u2066-\u2069]/u;

describe('a controller that draws on the terminal of who asks it', () => {
  it('is shown, and obeyed in nothing', async () => {
    const { history } = await client.show('aaaaaaaa');
    const followed: TimedProgress[] = [];
    for await (const dated of client.follow('aaaaaaaa', AbortSignal.timeout(120_000))) followed.push(dated);
    expect(followed).toEqual(history);
    expect(history.length).toBe(told.length);
    const texts = history.flatMap(({ progress }) => Object.values(progress));
    expect(texts.join('')).not.toMatch(drawing);
    const text = shown(history);
    expect(text).not.toMatch(drawing);
    expect(text).toContain('\\x1b[2J');
    expect(ownLines(text)).toEqual([]);
  });

  it('control: told as it came, it writes lines of its own', () => {
    expect(ownLines(shown(told as unknown as TimedProgress[]))).not.toEqual([]);
  });
});

it('a controller that answers a request with the run of another: what was signed says which run it is', async () => {
  const { source, ...job } = makeJob();
  const { run: id, job: named } = await client.submit({
    repo: { url: source.url, ref: 'refs/heads/main' },
    commit: source.commit,
    tree: source.tree ?? '',
    job: job as unknown as SubmitOptions['job'],
    policy,
    expiresSeconds: 60,
    stamp: { jti: nonceOf('stamp'), iat: Math.floor(Date.now() / 1000) },
  });
  expect(id).not.toBe('b'.repeat(64));
  expect(named).not.toBe(cidOf('another job'));
});

it('a controller that answers another question than was asked is believed nothing', async () => {
  isConfused = true;
  onTestFinished(() => {
    isConfused = false;
  });
  const { source, ...job } = makeJob();
  const store = await openStore({ dir: join(dir, 'store') });
  onTestFinished(() => store.close());
  const which = 'a'.repeat(64);
  const asked: Record<string, () => Promise<unknown>> = {
    jobs: () => client.jobs(),
    show: () => client.show(which),
    cancel: () => client.cancel(which, 'x'),
    acknowledge: () => client.acknowledge(which),
    bring: () => client.bring(store, cidOf('tree'), () => {}),
    submit: () =>
      client.submit({
        repo: { url: source.url, ref: 'refs/heads/main' },
        commit: source.commit,
        tree: source.tree ?? '',
        job: job as unknown as SubmitOptions['job'],
        policy,
        expiresSeconds: 60,
      }),
  };
  for (const [kind, ask] of Object.entries(asked))
    expect([kind, await ask().then(() => 'believed', codeOf)]).toEqual([
      kind,
      'CONTROLLER_UNEXPECTED_ANSWER',
    ]);
});
