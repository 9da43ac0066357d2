import { describe, expect, it } from 'vitest';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { encodeJob, type Role, signMessage } from '../../../src/protocol/documents/index.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import type { GrantRenewal } from '../../../src/worker/sessions/grant-renewal.ts';
import type { LogWitness } from '../../../src/worker/sessions/log-witness.ts';
import { OfferFeed } from '../../../src/worker/sessions/offer-feed.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import type { RevocationFeed } from '../../../src/worker/sessions/revocation-feed.ts';
import {
  at,
  controller,
  makeCharter,
  makeGrant,
  makeJob,
  makeOffer,
  makeRequest,
  publisher,
  testKey,
} from '../../support/documents.ts';
import { FakeChannel } from './fake-channel.ts';

const { bytes, id: jobId } = encodeJob(makeJob());
const raw = (document: object) => `e30.${Buffer.from(JSON.stringify(document)).toString('base64url')}.c2ln`;
const payloadOf = (text: string) => JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString());
const request = { ...makeRequest(jobId), id: 'a'.repeat(64) };

/** Offers of one request, by number. */
const noticeOf = (n: number) => ({
  offer: raw(makeOffer(request.id, jobId, { draw: { seed: `${n}`, share: 1, widenMs: 1 }, index: n })),
  request: raw(request),
  publisher: raw(makeGrant(publisher, 'owner', 'publisher')),
  job: fromUtf8(bytes),
});

/** A worker that hears offers by gossip; `newer`: this version does not read them. */
function hearing({
  newer = false,
  isVoid = false,
  isConnected = false,
  role = 'trusted-worker' as Role,
  wants = (_: string): boolean => true,
} = {}) {
  const handlers = new Map<string, (data: Uint8Array) => void>();
  const state = { code: newer ? 'DOC_NEWER' : undefined };
  const told: string[] = [];
  const timers: (() => void)[] = [];
  const passed: string[] = [];
  const taken: { offer: { id: string }; waitedMs?: number }[] = [];
  const verdicts: unknown[] = [];
  const ids = new Map<string, string>();
  const wire = new FakeChannel<{ kind: string }>(controller.id);
  const ports = {
    credentials: {
      membership: { project: 'p', controllers: [{ id: controller.id, addrs: [] }] },
      controller: { id: controller.id, addrs: [] },
      charter: makeCharter(),
      grant: { payload: makeGrant(testKey('trusted'), 'owner', role) },
      catchUp: async () => {},
      learnCharter: async () => {},
      learnFeed: async () => {},
      learnAddress: async () => {},
    },
    clock: {
      now: () => (at + 20) * 1000,
      monotonic: () => 0,
      after: (_ms: number, act: () => void) => {
        timers.push(act);
        return () => {};
      },
      onClosing: () => () => {},
    },
    signing: {
      nonce: () => ' ',
      documents: {
        message: async (kind: string, text: string) => {
          if (state.code !== undefined) throw reportedError(state.code, 'a later version');
          const payload = payloadOf(text);
          const id = kind === 'request' ? request.id : `${kind} ${payload.index}`;
          ids.set(text, id);
          return { id, raw: text, signer: payload.iss, payload };
        },
      },
    },
    subscribe: (topic: string, _accepts: unknown, handle: (data: Uint8Array) => void) =>
      handlers.set(topic, handle),
    tell: (level: string, kind: string) => void told.push(`${level} ${kind}`),
    machine: { wants, refused: () => [] },
    revocations: { revoked: [] },
    version: undefined,
    dispatch: async (event: (typeof taken)[number]) => void taken.push(event),
    lending: { capabilities: {} },
    findPeer: async () => [],
    dial: () => (isConnected ? Promise.resolve(wire.channel) : new Promise(() => {})),
  } as unknown as WorkerPorts;
  const feed = new OfferFeed(
    ports,
    { renewDue: async () => {} } as unknown as GrantRenewal,
    { quietMs: 1e12, everyMs: 1e12 },
    {
      revocations: { start: () => {}, heard: async () => {} } as unknown as RevocationFeed,
      witness: { start: () => {}, isVoid } as unknown as LogWitness,
    },
    { onVerdict: (verdict) => verdicts.push(verdict), pass: (offer) => passed.push(offer) },
  );
  feed.start();
  const settle = () => new Promise(setImmediate);
  const gossip = async (topic: keyof typeof topics, message: object) => {
    handlers.get(topics[topic]('p'))?.(encodeMessage(message));
    await settle();
  };
  return {
    feed,
    wire,
    told,
    timers,
    settle,
    passed,
    taken,
    verdicts,
    state,
    gossip,
    hear: (n: number) => gossip('offers', noticeOf(n)),
  };
}

describe('an offer', () => {
  it('is told once, as far as the last 1,000 go, and considered each time', async () => {
    const { hear, told, taken } = hearing();
    for (let n = 0; n < 1_000; n++) await hear(n);
    await hear(0);
    const offers = () => told.filter((one) => one === 'info offer').length;
    expect([offers(), taken.length]).toEqual([1_000, 1_001]);
    await hear(1_000);
    expect(offers()).toBe(1_001);
    await hear(0);
    expect(offers()).toBe(1_002);
    expect(told.filter((one) => one !== 'info offer')).toEqual([]);
    expect(taken[0]).not.toHaveProperty('waitedMs');
  });

  it('that this version cannot read is passed on once, as far as the last 1,000 go', async () => {
    const { hear, passed, state, taken, told } = hearing({ newer: true });
    for (let n = 0; n < 1_000; n++) await hear(n);
    await hear(0);
    expect(passed).toHaveLength(1_000);
    await hear(1_000);
    await hear(0);
    expect(passed).toHaveLength(1_002);
    expect(passed.at(-1)).toBe(passed[0]);
    expect(new Set(told)).toEqual(new Set(['warn pass']));
    // One that was passed on stays so, whatever this version reads.
    state.code = undefined;
    await hear(0);
    expect(taken).toEqual([]);
  });

  it('that does not hold is ignored with a word, and not passed on', async () => {
    const { hear, passed, state, told } = hearing();
    state.code = 'DOC_EXPIRED';
    await hear(0);
    expect([told, passed]).toEqual([['warn offer'], []]);
  });

  it('waits until the operator may claim it, and is taken then with the time that it waited', async () => {
    const { gossip, taken, timers, settle } = hearing({ role: 'worker' });
    const made = makeOffer(request.id, jobId, {
      draw: { seed: 'a'.repeat(64), share: 1, widenMs: 1_000 },
      index: 5,
    });
    const { raw: offer } = await signMessage('offer', made, controller.signer);
    // Timers of the connection are there already.
    const before = timers.length;
    for (let n = 0; n < 2; n++) await gossip('offers', { ...noticeOf(5), offer });
    expect([taken.length, timers.length]).toEqual([0, before + 1]);
    timers.at(-1)?.();
    await settle();
    expect(taken).toEqual([expect.objectContaining({ waitedMs: expect.any(Number) })]);
    expect(taken[0]?.waitedMs).toBeGreaterThan(0);
  });

  it('waits on while the controller says that its slots are taken', async () => {
    const { gossip, taken, timers, settle, wire } = hearing({ role: 'worker', isConnected: true });
    const backlog = { kind: 'backlog', charter: 'a.b.c', offers: [], revocations: 0 };
    const draw = { seed: 'a'.repeat(64), share: 1, widenMs: 1_000 };
    const { raw: offer, id } = await signMessage(
      'offer',
      makeOffer(request.id, jobId, { draw, index: 5 }),
      controller.signer,
    );
    wire.say({ ...backlog, free: [] });
    await settle();
    await gossip('offers', { ...noticeOf(5), offer });
    timers.at(-1)?.();
    await settle();
    expect(taken).toEqual([]);
    wire.say({ ...backlog, free: [id] });
    await settle();
    expect(taken).toHaveLength(1);
  });

  it('that the machine wants no more once it is verified is left alone', async () => {
    let asked = 0;
    const { hear, taken } = hearing({ wants: () => ++asked === 1 });
    await hear(0);
    expect([asked, taken]).toEqual([2, []]);
  });

  it('is left alone under a log that tells two stories, and where the machine does not want it', async () => {
    for (const over of [{ isVoid: true }, { wants: () => false }]) {
      const { hear, told, taken } = hearing(over);
      await hear(0);
      expect([told, taken]).toEqual([[], []]);
    }
  });
});

describe('a verdict', () => {
  const notice = { job: jobId, request: request.id, artifact: makeJob().source.tree };

  it.each([
    ['trusted', {}, 1],
    ['disputed', {}, 0],
    ['failed', { artifact: null }, 0],
  ])('%s %o is looked at where it has an artifact: %i', async (level, over, count) => {
    const { gossip, verdicts } = hearing();
    await gossip('verdicts', { ...notice, level, ...over });
    expect(verdicts).toHaveLength(count);
  });

  it('that is none is ignored with a word', async () => {
    const { gossip, told, verdicts } = hearing();
    await gossip('verdicts', { ...notice, level: 'best' });
    await gossip('offers', {});
    expect([told, verdicts]).toEqual([['warn verdict', 'warn offer'], []]);
  });
});
