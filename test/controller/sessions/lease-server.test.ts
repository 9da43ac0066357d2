import { describe, expect, it, onTestFinished } from 'vitest';
import { Reader } from '../../../simulations/reader.ts';
import type { ControllerEvent, Reply } from '../../../src/controller/machine/events.ts';
import { controllerLimits } from '../../../src/controller/machine/limits.ts';
import { LeaseServer } from '../../../src/controller/sessions/lease-server.ts';
import type { SharedPorts } from '../../../src/controller/sessions/shared.ts';
import {
  cosignStatement,
  decodeBundle,
  idOf,
  type Lease,
  signMessage,
} from '../../../src/protocol/documents/index.ts';
import { Admission } from '../../../src/protocol/sessions/admission.ts';
import { sessionTimes } from '../../../src/protocol/sessions/limits.ts';
import { Replies } from '../../../src/protocol/sessions/replies.ts';
import { witnessCheckpoint } from '../../../src/protocol/transparency/index.ts';
import { ownVersion } from '../../../src/protocol/wire/peer-version.ts';
import { until } from '../../e2e/support/wait.ts';
import { FakeChannel } from '../../protocol/sessions/fake-channel.ts';
import { started } from '../../protocol/sessions/started.ts';
import { type Bench, built, deliverAll, leasedRound, projectOf } from '../machine/bench.ts';

interface Down {
  kind: string;
  code?: string;
  bundle?: string;
}

/** A worker's stream to the lease server of a controller whose machine is the bench's. */
class Line extends FakeChannel<Down> {
  readonly server: LeaseServer;
  /** Errors of the effects of what it said: each would end the controller. */
  readonly broken: unknown[] = [];
  readonly events: ControllerEvent[] = [];
  /** The key in whose name the controller answers, where that is not its own. */
  iss: string | undefined;
  monotonic = 0;
  readonly times: [lease: string, times: string][] = [];
  /** Of a disk that takes none. */
  timesFail: Error | undefined;
  constructor(bench: Bench, worker: string, keep: () => Promise<void> = async () => {}) {
    super(bench.id(worker));
    const { paper, controller } = bench;
    const replies = new Replies<Reply>();
    const ports = {
      inquiry: started,
      machine: controller,
      project: paper.project,
      signing: { signer: paper.controller, documents: new Reader(paper.keys.verifier) },
      retired: [],
      clock: { now: () => bench.now, monotonic: () => this.monotonic, closing: false },
      charge: () => 0,
      tell: () => {},
      dispatch: async (event: ControllerEvent) => {
        this.events.push(event);
        for (const effect of bench.send(event)) {
          if (effect.kind === 'reply') this.#reply(replies, effect.token, effect.reply);
          if (effect.kind === 'cosign') void server.cosign(effect.run, effect.lease);
        }
      },
      replies,
      checkpoints: { keep },
      logFiles: {
        keepTimes: async (...kept: [string, string]) => {
          this.times.push(kept);
          if (this.timesFail !== undefined) throw this.timesFail;
        },
      },
    } as unknown as SharedPorts;
    const admission = new Admission(ports, (peer) => ports.machine.state.keys.has(peer));
    const server = new LeaseServer({ ...ports, admission });
    this.server = server;
    void server.served.session(this.channel);
  }

  #reply(replies: Replies<Reply>, token: string, reply: Reply): void {
    const { iss } = this;
    const changed = reply.kind === 'lease' && iss !== undefined;
    try {
      replies.answer(token, changed ? { ...reply, lease: { ...reply.lease, iss } } : reply);
    } catch (error) {
      this.broken.push(error);
    }
  }
}

/** A co-signature whose witness line is this many seconds from now. Returns the stream it came on, the run, and another signature. */
async function cosigned(seconds: number) {
  const { bench, run, leases, trusted } = await leasedRound({ seconds: 3600 });
  await deliverAll(bench, leases, []);
  bench.pinned(run);
  await bench.deliver('trusted', trusted);
  const line = new Line(bench, 'trusted');
  line.say({ kind: 'resume', lease: trusted?.raw });
  const { bundle = '' } = await line.heard('cosign');
  const { verdict, checkpoint } = decodeBundle(bundle);
  const signer = bench.paper.keys.signer('trusted');
  const { phase } = bench.run(run);
  const sign = async (off: number) =>
    line.say({
      kind: 'cosigned',
      verdict: phase.kind === 'cosigning' ? phase.draft.id : '',
      signature: await cosignStatement(verdict, signer),
      witness: await witnessCheckpoint(checkpoint, signer, Math.floor(bench.now / 1000) + off),
    });
  await sign(seconds);
  return { bench, run, line, sign };
}

it.each([-3600, 3600])(
  'a witness line of another time is refused, until a clock is right again (%i s from the verdict)',
  async (seconds) => {
    const { bench, run, line, sign } = await cosigned(seconds);
    await until('the refusal', () => bench.progress(run, 'cosign-delayed').length === 1);
    expect(bench.progress(run, 'cosign-delayed')).toMatchObject([{ code: 'COSIGN_WITNESS_TIME' }]);
    expect(bench.run(run).phase.kind).toBe('cosigning');
    // Its lease stands, on the same stream.
    expect(line.said.filter(({ kind }) => kind === 'error' || kind === 'release')).toEqual([]);
    bench.drive(controllerLimits.cosignRetryMs);
    await sign(0);
    await until('the verdict', () => bench.run(run).phase.kind === 'done');
    expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
  },
);

it('control: one of now makes the run trusted', async () => {
  const { bench, run } = await cosigned(0);
  await until('the verdict', () => bench.run(run).phase.kind === 'done');
  expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
});

describe('a stream', () => {
  async function resumed() {
    const { bench, leases } = await leasedRound({ seconds: 3600 });
    const lease = leases.get('ada');
    const line = new Line(bench, 'ada');
    const again = () => line.say({ kind: 'resume', lease: lease?.raw });
    again();
    await line.heard('lease');
    return { line, lease: lease?.id ?? '', again };
  }
  const kinds = ({ said }: Line) => said.map(({ kind, code }) => code ?? kind);

  it('that ends is told to the machine, with the lease that was on it', async () => {
    const { line, lease } = await resumed();
    line.end();
    await until('the end', () => line.events.at(-1)?.kind === 'detached');
    expect(line.events.at(-1)).toMatchObject({ kind: 'detached', lease });
  });

  it('takes the next lease once the one before was revealed or released, and is told nothing more of that', async () => {
    const { line, lease, again } = await resumed();
    line.server.release(lease, 'RUN_OVER', 'the job has its verdict');
    again();
    await until('the next lease', () => kinds(line).filter((kind) => kind === 'lease').length === 2);
    line.server.reveal(lease);
    again();
    await until('the third', () => kinds(line).filter((kind) => kind === 'lease').length === 3);
    expect(kinds(line)).toEqual(['lease', 'RUN_OVER', 'lease', 'reveal', 'lease']);
  });

  it('ends where a key that the controller had before is missing, and the controller goes on', async () => {
    const { bench, leases } = await leasedRound({ seconds: 3600 });
    const line = new Line(bench, 'ada');
    line.iss = bench.id('dan');
    line.say({ kind: 'resume', lease: leases.get('ada')?.raw });
    await line.heard('error');
    expect(kinds(line)).toEqual(['CONTROLLER_KEY_MISSING']);
    expect(line.broken).toEqual([]);
  });

  it.each([
    [
      'says that none comes',
      { kind: 'failed', code: 'DISK_FULL', message: 'no space' },
      'DISK_FULL: no space',
    ],
    ['sends what is none', { kind: 'receipt', envelope: '{}' }, /^DOC_/],
  ])('loses its lease at once where its worker %s in the place of a receipt', async (_, message, reason) => {
    const { bench, run, leases } = await leasedRound({ seconds: 3600 });
    const line = new Line(bench, 'ada');
    line.say({ kind: 'resume', lease: leases.get('ada')?.raw });
    await line.heard('lease');
    line.say(message);
    await until('the loss', () => bench.progress(run, 'lost').length === 1);
    expect(bench.progress(run, 'lost')[0]?.reason).toMatch(reason);
  });

  it('keeps its lease where a question of another kind cannot be answered', async () => {
    const { bench, run, leases } = await leasedRound({ seconds: 3600 });
    const line = new Line(bench, 'ada');
    line.say({ kind: 'resume', lease: leases.get('ada')?.raw });
    await line.heard('lease');
    line.say({ kind: 'resume', lease: leases.get('ada')?.raw });
    await line.heard('error');
    expect(bench.progress(run, 'lost')).toEqual([]);
  });

  it('takes none before', async () => {
    const { line, again } = await resumed();
    again();
    await line.heard('error');
    expect(kinds(line)).toEqual(['lease', 'LEASE_STREAM_TAKEN']);
  });

  it('is shown no draft of a lease that ended while it was assembled: the next lease would be taken for its own', async () => {
    const { bench, run, leases, trusted } = await leasedRound({ seconds: 3600 });
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    const kept = Promise.withResolvers<void>();
    const line = new Line(bench, 'trusted', () => kept.promise);
    line.say({ kind: 'resume', lease: trusted?.raw });
    await line.heard('lease');
    const shown = line.server.cosign(run, trusted?.id ?? '');
    line.server.release(trusted?.id ?? '', 'RUN_OVER', 'the job has its verdict');
    kept.resolve();
    await shown;
    expect(kinds(line)).not.toContain('cosign');
  });
});

describe('a claim or a resume', () => {
  const grant = (bench: Bench, name: string) => bench.grantOf(name).raw;
  const claim = async (bench: Bench, key: string, aud?: string) =>
    (await bench.paper.claim(key, idOf(bench.offer), bench.now, aud === undefined ? {} : { aud })).raw;
  const version = ownVersion('2.0.0');
  it.each<[string, string, (bench: Bench) => Promise<object>]>([
    [
      'by another key',
      'CLAIM_SENDER_MISMATCH',
      async (bench) => ({
        kind: 'claim',
        claim: await claim(bench, 'bob'),
        grant: grant(bench, 'ada'),
        version,
      }),
    ],
    [
      'for another controller',
      'CLAIM_AUDIENCE_MISMATCH',
      async (bench) => ({
        kind: 'claim',
        claim: await claim(bench, 'ada', bench.id('bob')),
        grant: grant(bench, 'ada'),
        version,
      }),
    ],
    [
      'without a version',
      'WORKER_OLDER',
      async (bench) => ({ kind: 'claim', claim: await claim(bench, 'ada'), grant: grant(bench, 'ada') }),
    ],
    [
      'of a lease by another key',
      'LEASE_ISSUER_MISMATCH',
      async (bench) => {
        const { payload } = (await bench.lease('ada')).get('ada') ?? {};
        const { raw } = await signMessage(
          'lease',
          { ...(payload as Lease), iss: bench.id('bob') },
          bench.paper.keys.signer('bob'),
        );
        return { kind: 'resume', lease: raw };
      },
    ],
  ])('%s is refused, and nothing of it reaches the machine', async (_what, code, said) => {
    const bench = await projectOf('ada', 'bob');
    await bench.submit();
    const message = await said(bench);
    const line = new Line(bench, 'ada');
    line.say(message);
    expect(await line.heard('error')).toMatchObject({ code });
    expect(line.events).toEqual([]);
  });

  it('of a lease that failed keeps five hundred characters of the reason', async () => {
    const { bench, run, leases } = await leasedRound({ seconds: 3600 });
    const line = new Line(bench, 'ada');
    line.say({ kind: 'resume', lease: leases.get('ada')?.raw });
    await line.heard('lease');
    line.say({ kind: 'failed', code: 'DISK_FULL', message: 'x'.repeat(501) });
    await until('the loss', () => bench.progress(run, 'lost').length === 1);
    expect(line.events.find(({ kind }) => kind === 'failed')).toMatchObject({ message: 'x'.repeat(500) });
  });

  it('that is followed by heartbeats tells the machine of those that are not too soon', async () => {
    const { bench, leases } = await leasedRound({ seconds: 3600 });
    const line = new Line(bench, 'ada');
    line.say({ kind: 'resume', lease: leases.get('ada')?.raw });
    await line.heard('lease');
    const beats = () => line.events.filter(({ kind }) => kind === 'heartbeat').length;
    for (const [ms, expected] of [
      [0, 1],
      [sessionTimes.heartbeatMsMin - 1, 1],
      [sessionTimes.heartbeatMsMin, 2],
    ] as const) {
      line.monotonic = ms;
      line.say({ kind: 'heartbeat' });
      await new Promise((resolve) => setImmediate(resolve));
      expect(beats()).toBe(expected);
    }
  });
});

describe('a receipt', () => {
  it.each([
    ['of another lease', 'RECEIPT_LEASE_MISMATCH', 'ada', 'bob'],
    ['by another key', 'RECEIPT_SIGNER_MISMATCH', 'bob', 'ada'],
  ])('%s is refused, and the lease of its stream is over', async (_what, code, key, of) => {
    const { bench, run, leases } = await leasedRound({ seconds: 3600 });
    const line = new Line(bench, 'ada');
    line.say({ kind: 'resume', lease: leases.get('ada')?.raw });
    await line.heard('lease');
    const lease = leases.get(of);
    if (lease === undefined) throw new Error('no lease');
    const receipt = await bench.paper.receipt(key, lease, bench.jobOf(lease), built);
    line.say({ kind: 'receipt', envelope: receipt.raw });
    expect(await line.heard('error')).toMatchObject({ code });
    await until('the loss', () => bench.progress(run, 'lost').length === 1);
    expect(line.events.filter(({ kind }) => kind === 'receipt')).toEqual([]);
  });

  it.each([
    ['1+0 2+1000', ['1+0 2+1000']],
    [undefined, []],
  ])('brings times of the log of its own lease: %.20j', async (times, kept) => {
    const { bench, leases } = await leasedRound({ seconds: 3600 });
    const line = new Line(bench, 'ada');
    line.say({ kind: 'resume', lease: leases.get('ada')?.raw });
    await line.heard('lease');
    const lease = leases.get('ada');
    if (lease === undefined) throw new Error('no lease');
    const receipt = await bench.paper.receipt('ada', lease, bench.jobOf(lease), built);
    const other = leases.get('bob')?.id;
    line.say({ kind: 'receipt', envelope: receipt.raw, times, lease: other });
    await line.heard('ack');
    expect(line.times).toEqual(kept.map((text) => [lease.id, text]));
    // The receipt is recorded: another one changes nothing.
    line.say({ kind: 'receipt', envelope: receipt.raw, times: '9+9' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(line.times).toHaveLength(kept.length);
  });

  it('counts where the times of its log cannot be written', async () => {
    const { bench, leases } = await leasedRound({ seconds: 3600 });
    const line = new Line(bench, 'ada');
    line.timesFail = new Error('no room');
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));
    line.say({ kind: 'resume', lease: leases.get('ada')?.raw });
    await line.heard('lease');
    const lease = leases.get('ada');
    if (lease === undefined) throw new Error('no lease');
    const receipt = await bench.paper.receipt('ada', lease, bench.jobOf(lease), built);
    line.say({ kind: 'receipt', envelope: receipt.raw, times: '1+0' });
    await line.heard('ack');
    await new Promise((resolve) => setImmediate(resolve));
    expect([line.times.length, unhandled]).toEqual([1, []]);
  });
});
