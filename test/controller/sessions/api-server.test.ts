import { beforeEach, describe, expect, it } from 'vitest';
import { Reader } from '../../../simulations/reader.ts';
import type { ControllerEvent, Reply } from '../../../src/controller/machine/events.ts';
import { ApiServer } from '../../../src/controller/sessions/api-server.ts';
import type { CheckpointRounds } from '../../../src/controller/sessions/checkpoint-rounds.ts';
import type { LogServer } from '../../../src/controller/sessions/log-server.ts';
import type { ControllerPorts } from '../../../src/controller/sessions/ports.ts';
import { type ErrorCode, reportedError } from '../../../src/protocol/base/errors.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { Admission } from '../../../src/protocol/sessions/admission.ts';
import { sessionLimits, sessionTimes } from '../../../src/protocol/sessions/limits.ts';
import { MessageStream } from '../../../src/protocol/sessions/message-stream.ts';
import type { Channel, Link, ReceiveOptions } from '../../../src/protocol/sessions/ports.ts';
import { Followers, Replies } from '../../../src/protocol/sessions/replies.ts';
import { type ApiDown, apiUpSchema, encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { FakeChannel } from '../../protocol/sessions/fake-channel.ts';
import { started } from '../../protocol/sessions/started.ts';
import { stateOf } from '../../support/many-runs.ts';
import { A, Bench, projectOf } from '../machine/bench.ts';

type Said = ApiDown & { code?: string };

/** The api protocol of a controller whose machine is a bench's. */
class Desk {
  readonly bench: Bench;
  readonly told: string[] = [];
  readonly published: string[] = [];
  readonly replies = new Replies<Reply>();
  readonly followers = new Followers();
  readonly charged: [string, number][] = [];
  /** In the place of the machine's. */
  reply: Reply | undefined;
  inquiry: unknown = started;
  evidence: { found: object[]; refused: Error[] } = { found: [], refused: [] };
  refreshed = 0;
  feed: string[] = [];
  checkpoint: { size: number; note: string; members: object[] } | undefined;
  readonly server: ApiServer;
  readonly admission: Admission;

  constructor(bench: Bench) {
    this.bench = bench;
    const { paper, controller } = bench;
    const inquiry = () => this.inquiry;
    const ports = {
      get inquiry() {
        return inquiry();
      },
      machine: controller,
      project: paper.project,
      signing: { signer: paper.controller, documents: new Reader(paper.keys.verifier) },
      clock: {
        now: () => bench.now,
        monotonic: () => 0,
        closing: false,
        after: () => () => {},
        onClosing: () => () => {},
      },
      charge: (account: string, turns: number) => {
        this.charged.push([account, turns]);
        return 0;
      },
      feedUrls: () => this.feed,
      tell: (_level: string, kind: string, says: string) => void this.told.push(`${kind}: ${says}`),
      publish: async (topic: string) => void this.published.push(topic),
      logEvidence: { equivocations: [], learn: async () => this.evidence },
      refreshCharter: async () => void this.refreshed++,
      dispatch: async (event: ControllerEvent) => {
        const token = 'token' in event ? event.token : undefined;
        if (this.reply !== undefined && token !== undefined) return this.replies.answer(token, this.reply);
        for (const effect of bench.send(event))
          if (effect.kind === 'reply') this.replies.answer(effect.token, effect.reply);
      },
    } as unknown as ControllerPorts;
    const checkpoint = () => this.checkpoint;
    const checkpoints = {
      renewed: async () => checkpoint(),
      get current() {
        return checkpoint();
      },
      at: async (size: number) => `note of ${size}`,
    } as unknown as CheckpointRounds;
    this.admission = new Admission(ports, (peer) => controller.state.keys.has(peer));
    const { admission, replies, followers } = this;
    const shared = { admission, replies, followers, logs: {} as LogServer, checkpoints, backlog: new Map() };
    this.server = new ApiServer(Object.assign(ports, shared));
  }

  connect(name = 'publisher'): FakeChannel<Said> {
    const line = new FakeChannel<Said>(this.bench.id(name));
    void this.server.served.session(line.channel);
    return line;
  }

  /** The answer to a question on a stream of its own. */
  async ask(question: object, name?: string): Promise<Said> {
    const line = this.connect(name);
    line.say(question);
    line.end();
    await expect.poll(() => line.closed, { interval: 1 }).toBe(true);
    const [answer] = line.said;
    if (answer === undefined) throw new Error('no answer');
    return answer;
  }
}

const { evidence, refusal } = {
  evidence: { kind: 'equivocation', equivocation: 'e' },
  refusal: (code: ErrorCode): Reply => ({ kind: 'error', code, message: 'no', hint: 'look' }),
};

let desk: Desk;
beforeEach(async () => {
  desk = new Desk(await projectOf('ada', 'bob', 'cy'));
});

describe('a question to a controller', () => {
  it('about its charter is answered with where its feed is, where it has one', async () => {
    const charter = desk.bench.controller.state.charter?.raw;
    expect(await desk.ask({ kind: 'charter' })).toEqual({ kind: 'charter', charter });
    desk.feed = ['https://feed.example/'];
    expect(await desk.ask({ kind: 'charter' })).toEqual({ kind: 'charter', charter, feed: desk.feed });
    const { state } = new Bench().controller;
    Object.assign(desk.bench.controller.state, { charter: state.charter });
    expect(await desk.ask({ kind: 'charter' })).toMatchObject({ code: 'CONTROLLER_NOT_STARTED' });
  });

  it.each(['log', 'checkpoint', 'inclusion'])('about the log waits for the start: %s', async (kind) => {
    desk.checkpoint = { size: 1, note: 'the newest', members: [] };
    const question = { kind, from: 0, old: 0, index: 0, size: 1 };
    expect((await desk.ask(question)).kind).not.toBe('error');
    desk.inquiry = { isOpen: false, waits: null };
    expect(await desk.ask(question)).toMatchObject({ code: 'CONTROLLER_ASKING' });
    expect((await desk.ask({ kind: 'jobs' })).kind).toBe('jobs');
  });

  it('about the log is answered with leaves from where they are asked for, a message full', async () => {
    const { log } = desk.bench.controller.state;
    const { size } = log;
    for (const from of [0, size - 1, size, size + 9]) {
      const at = Math.min(from, size);
      const leaves = log.leaves(at, size);
      expect(await desk.ask({ kind: 'log', from })).toEqual({ kind: 'leaves', from: at, size, leaves });
    }
    const most = limits.leavesPerMessageMax;
    const many = { size: most + 1, leaves: (from: number, to: number) => Array(to - from).fill('x') };
    Object.assign(desk.bench.controller.state, { log: many });
    const { leaves } = (await desk.ask({ kind: 'log', from: 0 })) as Extract<ApiDown, { kind: 'leaves' }>;
    expect(leaves).toHaveLength(most);
  });

  it('about a checkpoint is answered with the newest and its grants, or one of a size', async () => {
    expect(await desk.ask({ kind: 'checkpoint', old: 0 })).toMatchObject({ code: 'CONTROLLER_NOT_STARTED' });
    const { size } = desk.bench.controller.state.log;
    desk.checkpoint = { size, note: 'the newest', members: [{ grant: { raw: 'g' } }, {}] };
    const newest = { kind: 'checkpoint', note: 'the newest', proof: [] };
    expect(await desk.ask({ kind: 'checkpoint', old: 0 })).toEqual({ ...newest, grants: ['g'] });
    expect(await desk.ask({ kind: 'checkpoint', old: 0, size })).toEqual(newest);
    const older = await desk.ask({ kind: 'checkpoint', old: 0, size: size - 1 });
    expect(older).toEqual({ ...newest, note: `note of ${size - 1}` });
  });

  it('about runs is answered with the latest five hundred', async () => {
    const { index } = await stateOf(501);
    Object.assign(desk.bench.controller.state, { index });
    const { jobs } = (await desk.ask({ kind: 'jobs' })) as Extract<ApiDown, { kind: 'jobs' }>;
    expect(jobs).toHaveLength(500);
  });

  it('comes after the one before on the same stream', async () => {
    const line = desk.connect();
    for (let nth = 1; nth <= 3; nth++) {
      line.say({ kind: 'jobs' });
      await line.heard('jobs', nth);
    }
  });
});

describe('a refusal', () => {
  it.each(['revoke', 'cancel', 'acknowledge', 'renew', 'enrol'])('of %s says why', async (kind) => {
    const { bench } = desk;
    const run = await bench.submit();
    const { paper } = bench;
    const invite = await paper.invite('dan', 'worker', bench.now);
    const revocation = await paper.revocation({ kind: 'operator', id: 'ada' }, 0, bench.now);
    const question = {
      kind,
      which: run,
      reason: 'x',
      publisher: bench.grantOf('publisher').raw,
      invite: invite.raw,
      revocation: revocation.raw,
      enrol: (await paper.enrol('publisher', bench.now, kind === 'enrol' ? invite.payload.jti : undefined))
        .raw,
    };
    desk.reply = refusal('RUN_OVER');
    expect(await desk.ask(question)).toEqual(desk.reply);
    // The machine breaks, or stops.
    desk.replies.answer = () => {};
    expect(await desk.ask(question)).toMatchObject({ code: 'CONTROLLER_STOPPED' });
  });

  it('of a job waits for the start for a while', async () => {
    desk.inquiry = { isOpen: false, waits: null, opened: Promise.resolve() };
    const { raw } = desk.bench.grantOf('ada');
    const asked = await desk.ask({ kind: 'submit', request: raw, publisher: raw, job: '{}' }, 'ada');
    expect(asked).toMatchObject({ code: 'CONTROLLER_ASKING' });
  });

  it('of a full key of tickets is an alarm, once for each key', async () => {
    const { bench } = desk;
    desk.reply = refusal('TICKETS_FULL');
    const enrol = async (name: string) => {
      const invite = await bench.paper.invite(name, 'worker', bench.now);
      const own = await bench.paper.enrol(name, bench.now, invite.payload.jti);
      return desk.ask({ kind: 'enrol', enrol: own.raw, invite: invite.raw }, name);
    };
    expect(await enrol('dan')).toMatchObject({ code: 'TICKETS_FULL' });
    expect(await enrol('eve')).toMatchObject({ code: 'TICKETS_FULL' });
    expect(desk.told).toEqual([expect.stringMatching(/^key-full: ALARM: no: end that key/)]);
    desk.reply = refusal('TICKET_EXPIRED');
    await enrol('fay');
    expect(desk.told).toHaveLength(1);
    // Sent by another key than signed it.
    const own = await bench.paper.enrol('gus', bench.now);
    const sent = await desk.ask({ kind: 'renew', enrol: own.raw }, 'ada');
    expect(sent).toMatchObject({ code: 'ENROL_SENDER_MISMATCH' });
  });
});

describe('an order', () => {
  it('of who is no publisher is refused: to acknowledge, and to bring', async () => {
    const { bench } = desk;
    const which = await bench.submit();
    const { raw } = bench.grantOf('publisher');
    const before = bench.journal.length;
    for (const question of [
      { kind: 'acknowledge', which, publisher: raw },
      { kind: 'bring', tree: A, publisher: raw },
    ])
      expect(await desk.ask(question, 'ada')).toMatchObject({ code: 'GRANT_KEY_MISMATCH' });
    expect(bench.journal).toHaveLength(before);
  });

  it('that revokes reads the charter again only where the one in force does not name the key', async () => {
    const { bench } = desk;
    const { paper } = bench;
    desk.reply = refusal('RUN_OVER');
    const { raw } = await paper.revocation({ kind: 'operator', id: 'ada' }, 0, bench.now);
    await desk.ask({ kind: 'revoke', revocation: raw });
    expect(desk.refreshed).toBe(0);
    Object.assign(bench.controller.state, {
      charter: await paper.charter({ epoch: 2, idps: [bench.id('x')] }),
    });
    await desk.ask({ kind: 'revoke', revocation: raw });
    expect(desk.refreshed).toBe(1);
  });

  it('that invites a trusted worker reads the charter again, which may name its key by now', async () => {
    const { bench } = desk;
    const { paper } = bench;
    desk.reply = refusal('TICKET_EXPIRED');
    const enrol = async (role: 'worker' | 'trusted-worker') => {
      const invite = await paper.invite('dan', role, bench.now, { key: bench.id('dan') });
      const own = await paper.enrol('dan', bench.now, invite.payload.jti);
      return desk.ask({ kind: 'enrol', enrol: own.raw, invite: invite.raw }, 'dan');
    };
    await enrol('worker');
    expect(desk.refreshed).toBe(0);
    await enrol('trusted-worker');
    expect(desk.refreshed).toBe(1);
    // One whom another identity provider invites is refused without it.
    Object.assign(bench.controller.state, {
      charter: await paper.charter({ epoch: 2, idps: [bench.id('x')] }),
    });
    await enrol('trusted-worker');
    expect(desk.refreshed).toBe(1);
  });

  it('is answered with what came of it', async () => {
    const { bench } = desk;
    const which = await bench.submit();
    for (const [question, reply] of [
      [
        { kind: 'cancel', which, reason: 'x' },
        { kind: 'cancelled', runs: [which] },
      ],
      [
        { kind: 'acknowledge', which, publisher: bench.grantOf('publisher').raw },
        { kind: 'acknowledged', run: which },
      ],
    ] as const) {
      desk.reply = reply as unknown as Reply;
      expect(await desk.ask(question, 'publisher')).toEqual(reply);
    }
  });

  it('to show or list runs is answered with what there is, and no more', async () => {
    const { bench } = desk;
    const which = await bench.submit();
    expect(await desk.ask({ kind: 'show', which })).toMatchObject({ kind: 'job', summary: { run: which } });
    const jobs = await desk.ask({ kind: 'jobs' });
    expect(Object.keys(jobs).sort()).toEqual(['jobs', 'kind']);
  });
});

describe('evidence against the log', () => {
  it('that does not hold is refused with the reason', async () => {
    desk.evidence.refused.push(reportedError('EQUIVOCATION_UNPROVEN', 'no'));
    expect(await desk.ask(evidence)).toMatchObject({ code: 'EQUIVOCATION_UNPROVEN' });
    expect([desk.told, desk.published]).toEqual([[], []]);
  });

  it('that holds is an alarm, and gossiped', async () => {
    desk.evidence.found.push({ proves: { says: 'two stories', log: 'l' } });
    expect(await desk.ask(evidence)).toEqual({ kind: 'end' });
    expect(desk.told).toEqual([expect.stringContaining('equivocated: ALARM: workers take no jobs')]);
    expect(desk.published).toEqual([topics.equivocations(desk.bench.paper.project)]);
  });
});

describe('a run that is followed', () => {
  it('is told from its beginning until it is over, and the stream ends', async () => {
    const { bench } = desk;
    const run = await bench.submit();
    const line = desk.connect();
    line.say({ kind: 'follow', which: run });
    await line.heard('progress');
    const before = line.said.length;
    bench.send({ kind: 'cancel', token: 'c', which: run, by: bench.id('publisher'), reason: 'x' });
    desk.followers.notify(run);
    await line.heard('end');
    expect(line.said.filter(({ kind }) => kind === 'progress').length).toBeGreaterThanOrEqual(before);
    await expect.poll(() => line.closed, { interval: 1 }).toBe(true);
  });

  it('is followed a bounded number of times by one key', async () => {
    const run = await desk.bench.submit();
    const lines = Array.from({ length: sessionLimits.followedPerPeerMax }, () => desk.connect());
    for (const line of lines) line.say({ kind: 'follow', which: run });
    for (const line of lines) await line.heard('progress');
    const follow = { kind: 'follow', which: run };
    expect(await desk.ask(follow)).toMatchObject({ code: 'API_FOLLOWED_MAX' });
    // Another key is not kept from it; nor is this one, once one of them has left.
    expect((await desk.ask(follow, 'ada')).kind).toBe('progress');
    lines[0]?.end();
    await expect.poll(() => lines[0]?.closed, { interval: 1 }).toBe(true);
    expect((await desk.ask(follow)).kind).toBe('progress');
  });
});

describe('the account of a message', () => {
  const stranger = 'a stranger';
  const guest = { network: '192.0.2.0/24' } as Link;
  const bytes = encodeMessage({ kind: 'jobs' });
  /** A channel that has one message, which asks for admission. */
  const channel = (peer: string, link?: Link) =>
    ({
      peer,
      link,
      receive: async ({ admit }: ReceiveOptions) => {
        await admit?.(bytes.length);
        return bytes;
      },
    }) as unknown as Channel;
  const read = (one: Channel) =>
    desk.admission.receive(new MessageStream<never, { kind: string }>(one, apiUpSchema, 'a message'), {
      protocol: 'api',
      timeoutMs: sessionTimes.questionMs,
    });

  it('is the key of a member; the network of a stranger, who pays more', async () => {
    const own = desk.bench.id('ada');
    await read(channel(own, guest));
    const paid = desk.charged.splice(0);
    expect(new Set(paid.map(([account]) => account))).toEqual(new Set([own]));
    await read(channel(stranger, guest));
    const more = desk.charged.splice(0);
    expect(more).toEqual(paid.map(([, turns]) => [guest.network, turns * sessionLimits.strangerFactor]));
    await read(channel(stranger));
    expect(new Set(desk.charged.splice(0).map(([account]) => account))).toEqual(new Set([stranger]));
  });

  it('pays for the bytes of a message, and of an answer', async () => {
    const own = desk.bench.id('ada');
    await read(channel(own));
    expect(desk.charged[0]).toEqual([own, 1 + bytes.length / sessionLimits.receivedBytesPerTurn]);
    desk.charged.length = 0;
    desk.admission.answered(channel(own), 3 * sessionLimits.sentBytesPerTurn);
    desk.admission.answered(channel(stranger, guest), sessionLimits.sentBytesPerTurn);
    expect(desk.charged).toEqual([
      [own, 3],
      [guest.network, 1],
    ]);
  });
});
