import { describe, expect, it } from 'vitest';
import { exited, jobNamed, treeCid } from '../../../simulations/paperwork.ts';
import { Reader } from '../../../simulations/reader.ts';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import { AnswerServer } from '../../../src/controller/sessions/answer-server.ts';
import type { SharedPorts } from '../../../src/controller/sessions/shared.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { cosignStatement, decodeBundle } from '../../../src/protocol/documents/index.ts';
import { Admission } from '../../../src/protocol/sessions/admission.ts';
import { witnessCheckpoint } from '../../../src/protocol/transparency/index.ts';
import type { CosignDown } from '../../../src/protocol/wire/messages.ts';
import { until } from '../../e2e/support/wait.ts';
import { FakeChannel } from '../../protocol/sessions/fake-channel.ts';
import { started } from '../../protocol/sessions/started.ts';
import { A, B, type Bench, projectOf, timings } from '../machine/bench.ts';
import { bundleOf, cosign, verified } from '../machine/evidence.ts';

const { source } = jobNamed('project').job;
const image = treeCid('an image');
let requests = 0;
const ask = (bench: Bench, name: string): Promise<string> =>
  bench.submit({ name, job: { source, image }, jti: `request-${++requests}-of-many-requests` });

async function lease(bench: Bench, run: string, ...keys: string[]) {
  const offer = bench.run(run).rounds.at(-1)?.offerId ?? '';
  const tokens: [string, string][] = [];
  for (const key of keys) tokens.push([key, await bench.claim(key, { offer })]);
  if (bench.run(run).rounds.at(-1)?.windowOpen === true) bench.drive(timings.windowMs);
  const leases = [];
  for (const [key, token] of tokens) {
    const reply = bench.lastReply(token);
    if (reply.kind === 'lease') leases.push([key, await bench.signed(reply.lease)] as const);
  }
  return leases;
}

async function build(bench: Bench, name: string, artifact: string): Promise<void> {
  const run = await ask(bench, name);
  for (const [key, held] of await lease(bench, run, 'ada', 'bob', 'cy'))
    await bench.deliver(key, held, exited(artifact));
  bench.pinned(run);
  for (const [key, held] of await lease(bench, run, 'trusted'))
    await bench.deliver(key, held, exited(artifact));
  await cosign(bench, run, 'trusted');
}

/** Two jobs were built, and are asked for again: two answers wait. */
async function waiting() {
  const bench = await projectOf('ada', 'bob', 'cy');
  await build(bench, 'lib', A);
  await build(bench, 'app', B);
  const runs: string[] = [];
  for (const name of ['lib', 'app']) {
    const run = await ask(bench, name);
    bench.pinned(run);
    runs.push(run);
  }
  expect(runs.map((run) => bench.result(run).state)).toEqual(['answer-cosigning', 'answer-cosigning']);
  return { bench, runs };
}

/** The server of a controller whose machine is the bench's, with a clock that the test drives. */
function serve(bench: Bench, keep: () => Promise<void> = async () => {}) {
  const { paper, controller } = bench;
  const world = { signer: paper.controller };
  const stored = new Map<string, string>();
  const later: { ms: number; act: () => void }[] = [];
  const ports = {
    inquiry: started,
    machine: controller,
    project: paper.project,
    signing: {
      get signer() {
        return world.signer;
      },
      documents: new Reader(paper.keys.verifier),
    },
    retired: [],
    bundles: { get: async (which: string) => stored.get(which) ?? (await bundleOf(bench, which)) },
    clock: {
      now: () => bench.now,
      monotonic: () => 0,
      closing: false,
      after(ms: number, act: () => void) {
        const timer = { ms, act };
        later.push(timer);
        return () => void later.splice(later.indexOf(timer), 1);
      },
    },
    charge: () => 0,
    tell: () => {},
    dispatch: async (event: ControllerEvent) => {
      for (const effect of bench.send(event)) if (effect.kind === 'cosign-answers') server.look();
    },
    checkpoints: { keep },
  } as unknown as SharedPorts;
  const admission = new Admission(ports, (peer) => controller.state.keys.has(peer));
  const server: AnswerServer = new AnswerServer(Object.assign(ports, { admission }));
  return {
    server,
    later,
    world,
    ports,
    async connect(name = 'trusted', by = name) {
      const line = new FakeChannel<CosignDown>(bench.id(by));
      void server.served.session(line.channel);
      line.say({
        kind: 'hello',
        grant: controller.state.presence.workers.get(bench.id(name))?.grant.raw ?? '',
      });
      return line;
    },
  };
}

async function bundlesIn(line: FakeChannel<CosignDown>, nth = 1): Promise<string[]> {
  const message = await line.heard('answers', nth);
  return 'bundles' in message ? message.bundles : [];
}

/** An honest trusted worker's answer to these drafts; `seconds`: when its line is made, from now. */
async function answered(bench: Bench, texts: readonly string[], { seconds = 0, by = 'trusted' } = {}) {
  const signer = bench.paper.keys.signer(by);
  const bundles = texts.map(decodeBundle);
  const time = Math.floor(bench.now / 1000) + seconds;
  const answers = [];
  for (const { verdict } of bundles) answers.push({ signature: await cosignStatement(verdict, signer) });
  const witness = await witnessCheckpoint(bundles[0]?.checkpoint ?? '', signer, time);
  return { kind: 'answered', witness, answers };
}
const states = (bench: Bench, runs: readonly string[]) => runs.map((run) => bench.result(run).state);

describe('answers that wait', () => {
  it('are shown together to the trusted worker that comes, and are published with what it signed', async () => {
    const { bench, runs } = await waiting();
    const line = await serve(bench).connect();
    const texts = await bundlesIn(line);
    expect(texts).toHaveLength(2);
    expect(new Set(texts.map((text) => decodeBundle(text).checkpoint)).size).toBe(1);
    line.say(await answered(bench, texts));
    await until('both are published', () => states(bench, runs).every((state) => state === 'done'));
    for (const run of runs) expect(await verified(bench, run)).toBe('trusted');
    expect(line.said.filter(({ kind }) => kind === 'answers')).toHaveLength(1);
  });

  it('are shown to another one where the stream of the first ends', async () => {
    const { bench, runs } = await waiting();
    const { connect } = serve(bench);
    const first = await connect();
    await bundlesIn(first);
    first.end();
    const second = await connect();
    second.say(await answered(bench, await bundlesIn(second)));
    await until('both are published', () => states(bench, runs).every((state) => state === 'done'));
  });

  it('are not waited for without end from one that does not answer: its stream is closed', async () => {
    const { bench } = await waiting();
    const { connect, later } = serve(bench);
    const line = await connect();
    await bundlesIn(line);
    expect(later.map(({ ms }) => ms)).toEqual([600_000]);
    later[0]?.act();
    await until('it is closed', () => line.closed);
    const again = await connect();
    expect(await bundlesIn(again)).toHaveLength(2);
  });

  it('are each signed or refused by itself', async () => {
    const { bench, runs } = await waiting();
    const line = await serve(bench).connect();
    const signed = await answered(bench, await bundlesIn(line));
    const [first] = signed.answers;
    line.say({ ...signed, answers: [first, { code: 'COSIGN_ANSWERED', message: 'before' }] });
    await until('the other one is built', () => states(bench, runs)[1] === 'building');
    expect(states(bench, runs)).toEqual(['done', 'building']);
  });

  it.each([
    ['as far ahead as clocks may be', limits.clockSkewSeconds, 'done'],
    ['further ahead', limits.clockSkewSeconds + 1, 'answer-cosigning'],
    ['as far behind as clocks may be', -limits.clockSkewSeconds, 'done'],
    ['further behind', -limits.clockSkewSeconds - 1, 'answer-cosigning'],
  ])('count by the clock of the signer: %s', async (_what, seconds, state) => {
    const { bench, runs } = await waiting();
    const line = await serve(bench).connect();
    const texts = await bundlesIn(line);
    const { predicate } = JSON.parse(atob(JSON.parse(decodeBundle(texts[0] ?? '').verdict).payload));
    // The verdict is of now, a whole second.
    bench.now = Date.parse(predicate.timeVerified);
    line.say(await answered(bench, texts, { seconds }));
    const isDelayed = () => bench.progress(runs[0] ?? '', 'cosign-delayed').length > 0;
    await until('it is looked at', () => states(bench, runs)[0] === 'done' || isDelayed());
    expect(states(bench, runs)).toEqual([state, state]);
  });

  it('are shown again where the clock of the signer is wrong', async () => {
    const { bench, runs } = await waiting();
    const line = await serve(bench).connect();
    line.say(await answered(bench, await bundlesIn(line), { seconds: -600 }));
    await until('it is told', () => bench.progress(runs[0] ?? '', 'cosign-delayed').length > 0);
    expect(bench.progress(runs[0] ?? '', 'cosign-delayed')).toMatchObject([{ code: 'COSIGN_WITNESS_TIME' }]);
    expect(states(bench, runs)).toEqual(['answer-cosigning', 'answer-cosigning']);
  });
});

describe('a stream for answers', () => {
  it.each<[string, (bench: Bench, texts: string[]) => Promise<object>, string]>([
    [
      'signatures by another key',
      (bench, texts) => answered(bench, texts, { by: 'ada' }),
      'DOC_BAD_SIGNATURE',
    ],
    [
      'no line for the checkpoint',
      async (bench, texts) => ({ ...(await answered(bench, texts)), witness: undefined }),
      'COSIGN_NO_WITNESS',
    ],
    ['fewer answers than drafts', async (bench, texts) => answered(bench, texts.slice(1)), 'WIRE_INVALID'],
  ])('that brings %s ends, and nothing is published', async (_, say, code) => {
    const { bench, runs } = await waiting();
    const line = await serve(bench).connect();
    line.say(await say(bench, await bundlesIn(line)));
    expect(await line.heard('error')).toMatchObject({ code });
    expect(states(bench, runs)).toEqual(['answer-cosigning', 'answer-cosigning']);
  });

  it('is for trusted workers that the charter names', async () => {
    const { bench } = await waiting();
    const line = await serve(bench).connect('ada');
    expect(await line.heard('error')).toMatchObject({ code: 'COSIGN_NOT_TRUSTED_KEY' });
  });

  it('takes no answer that nobody asked for', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const line = await serve(bench).connect();
    line.say({ kind: 'answered', answers: [] });
    expect(await line.heard('error')).toMatchObject({ code: 'COSIGN_NOT_ASKED' });
  });

  it('shows nothing to one that was revoked since', async () => {
    const { bench, runs } = await waiting();
    const { server, connect, ports } = serve(bench);
    const line = await connect();
    line.say(await answered(bench, await bundlesIn(line)));
    await until('both are published', () => states(bench, runs).every((state) => state === 'done'));
    const key = bench.id('trusted');
    await bench.revoke({ kind: 'key', id: key }, { since: bench.controller.state.log.size, as: 'root' });
    const run = await ask(bench, 'lib');
    bench.pinned(run);
    expect(bench.result(run).state).toBe('answer-cosigning');
    server.look();
    // A mistake of ours is not taken for a member that is not present.
    ports.clock.now = () => {
      throw new TypeError('a mistake of ours');
    };
    expect(() => server.look()).toThrow('a mistake of ours');
    line.end();
    await until('the stream is over', () => line.closed);
    expect(line.said.filter(({ kind }) => kind === 'answers')).toHaveLength(1);
  });

  it('takes no signature of one that was revoked since it was shown the drafts', async () => {
    const { bench, runs } = await waiting();
    const line = await serve(bench).connect();
    const signed = await answered(bench, await bundlesIn(line));
    const key = bench.id('trusted');
    await bench.revoke({ kind: 'key', id: key }, { since: bench.controller.state.log.size, as: 'root' });
    line.say(signed);
    await until('the stream is over', () => line.closed || states(bench, runs)[0] === 'done');
    expect(states(bench, runs)).toEqual(['answer-cosigning', 'answer-cosigning']);
    expect(await line.heard('error')).toMatchObject({ code: 'KEY_REVOKED' });
  });

  it('is for the key of its grant', async () => {
    const { bench } = await waiting();
    const line = await serve(bench).connect('trusted', 'ada');
    expect(await line.heard('error')).toMatchObject({ code: 'GRANT_KEY_MISMATCH' });
  });

  it('is the newest of its worker: the one before is closed', async () => {
    const { bench } = await waiting();
    const { connect } = serve(bench);
    const [first, second] = [await connect(), await connect()];
    await until('it is closed', () => first.closed);
    expect(await bundlesIn(second)).toHaveLength(2);
  });
});

describe('answers that cannot be shown', () => {
  it('since none waits any more are looked at again after a while', async () => {
    const { bench, runs } = await waiting();
    let kept = 0;
    const { connect, later } = serve(bench, async () => {
      if (kept++ > 0) return;
      for (const run of runs)
        bench.send({ kind: 'cancel', token: run, which: run, by: bench.id('publisher'), reason: '' });
    });
    const line = await connect();
    await until('it was looked at', () => later.length === 1);
    expect(later.map(({ ms }) => ms)).toEqual([1_000]);
    const run = await ask(bench, 'lib');
    bench.pinned(run);
    later[0]?.act();
    expect(await bundlesIn(line)).toHaveLength(1);
  });

  it('since their evidence is not to be had are told of with the reason', async () => {
    const { bench, runs } = await waiting();
    const { connect, world } = serve(bench);
    world.signer = { ...world.signer, raw: () => Promise.reject(new Error('no key')) };
    await connect();
    const [run = ''] = runs;
    await until('it is told', () => bench.progress(run, 'cosign-delayed').length > 0);
    expect(bench.progress(run, 'cosign-delayed')).toMatchObject([{ code: 'INTERNAL' }]);
  });
});
