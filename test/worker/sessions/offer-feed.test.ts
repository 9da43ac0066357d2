import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../../simulations/scheduler.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { Worker } from '../../../src/worker/machine/machine.ts';
import type { GrantRenewal } from '../../../src/worker/sessions/grant-renewal.ts';
import type { LogWitness } from '../../../src/worker/sessions/log-witness.ts';
import { OfferFeed } from '../../../src/worker/sessions/offer-feed.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import type { RevocationFeed } from '../../../src/worker/sessions/revocation-feed.ts';
import { FakeChannel } from '../../protocol/sessions/fake-channel.ts';
import { settle } from '../../protocol/sessions/start-desk.ts';

it('a worker signs each round that a checkpoint is put before it in, and what a feed answer shows once', async () => {
  const round = { kind: 'checkpoint', note: 'the log of 8' };
  const answer = {
    kind: 'backlog',
    charter: 'a.b.c',
    offers: [],
    revocations: 0,
    checkpoint: 'the log of 8',
  };
  const shown: object[] = [answer, answer, round, answer, round];
  const posted: { kind: string; size?: number }[] = [];
  let closing = false;
  const over = Promise.withResolvers<void>();
  const channel = {
    peer: 'controller',
    closed: false,
    send: async (message: Uint8Array) => void posted.push(JSON.parse(fromUtf8(message))),
    receive: async () => {
      const next = shown.shift();
      if (next !== undefined) return encodeMessage(next);
      closing = true;
      over.resolve();
      return undefined;
    },
    close: async () => {},
    abort: () => {},
  };
  const ports = {
    credentials: {
      membership: { project: 'p', controllers: [{ id: 'controller', addrs: [] }] },
      controller: { id: 'controller', addrs: [] },
      charter: { controllers: [], vcs: [], bootstrap: [] },
      grant: { id: 'g', raw: 'a.b.c' },
      learnCharter: async () => {},
      learnFeed: async () => {},
      learnAddress: async () => {},
    },
    clock: {
      now: () => 0,
      monotonic: () => 0,
      after: () => () => {},
      onClosing: () => () => {},
      get closing() {
        return closing;
      },
    },
    lending: { capabilities: {} },
    tell: () => {},
    subscribe: () => {},
    dial: async () => channel,
    findMembers: async () => [],
    findPeer: async () => [],
    machine: new Worker('a worker'),
  } as unknown as WorkerPorts;
  const feed = new OfferFeed(
    ports,
    { renewDue: async () => {} } as unknown as GrantRenewal,
    { quietMs: 1_000_000, everyMs: 1_000_000 } as never,
    {
      revocations: { start: () => {}, heard: async () => {} } as unknown as RevocationFeed,
      witness: {
        start: () => {},
        witness: async (_note: string, signed: (size: number, line: string) => void) => signed(8, 'line'),
      } as unknown as LogWitness,
    },
    { onVerdict: () => {}, pass: () => {} },
  );
  feed.start();
  await over.promise;
  await new Promise(setImmediate);
  expect(posted.filter(({ kind }) => kind === 'witness')).toHaveLength(3);
});

interface Said {
  kind: string;
  grant?: string;
}

/** A worker's feed to a controller that refuses with `refusal`, while there is one. */
function connected(refusal?: string, named: string[] = []) {
  const time = new Scheduler(settle);
  const began = time.now;
  const streams: FakeChannel<Said>[] = [];
  const dialled: { at: number; timeoutMs: number }[] = [];
  const told: string[] = [];
  const words: string[] = [];
  const calls: string[] = [];
  const state = { refusal, closing: false, found: false, isFull: false, renewed: 0 };
  const credentials = {
    membership: { project: 'p', controllers: [{ id: 'controller', addrs: [] }], feed: named },
    controller: { id: 'controller', addrs: [] },
    charter: { controllers: [], vcs: [], bootstrap: [], epoch: 3 },
    grant: { id: 'g', raw: 'a.b.c' },
    learnCharter: async () => {},
    learnFeed: async () => {},
    learnAddress: async (id: string, addrs: string[]) => void calls.push(`${id} is at ${addrs.join()}`),
    searchControllers: async () => {
      if (state.isFull) throw reportedError('HOME_UNWRITABLE', 'no space left on the device');
      return state.found;
    },
  };
  const ports = {
    credentials,
    lending: { capabilities: {} },
    subscribe: () => {},
    signing: { nonce: () => ' ' },
    clock: {
      now: () => time.now,
      monotonic: () => time.now,
      onClosing: () => () => {},
      after: (ms: number, act: () => void) => time.after(ms, act),
      get closing() {
        return state.closing;
      },
    },
    dial: async (_peer: unknown, _protocol: string, { timeoutMs }: { timeoutMs: number }) => {
      dialled.push({ at: time.now - began, timeoutMs });
      if (state.refusal !== undefined) throw reportedError(state.refusal, 'refused');
      const stream = new FakeChannel<Said>('controller');
      streams.push(stream);
      return stream.channel;
    },
    findPeer: async () => ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1/p2p/controller'],
    findMembers: async () => [],
    machine: Object.assign(new Worker('a worker'), { refused: () => named.map((url) => new URL(url).host) }),
    tell: (level: string, kind: string, says: string) => {
      told.push(`${level} ${kind}`);
      words.push(says);
    },
  } as unknown as WorkerPorts;
  const feed = new OfferFeed(
    ports,
    {
      renewDue: async () => void calls.push('renewed where due'),
      refresh: async () => void state.renewed++,
    } as unknown as GrantRenewal,
    { quietMs: 1e12, everyMs: 1e12 },
    {
      revocations: { start: () => {}, heard: async () => {} } as unknown as RevocationFeed,
      witness: { start: () => {}, witness: async () => {} } as unknown as LogWitness,
    },
    { onVerdict: () => {}, pass: () => {} },
  );
  feed.start();
  const until = (ms: number) => time.run(began + ms);
  const polls = () => streams.flatMap(({ said }) => said).filter(({ kind }) => kind === 'poll').length;
  return { feed, streams, dialled, told, words, calls, state, credentials, until, polls };
}

const backlog = { kind: 'backlog', charter: 'a.b.c', offers: [], revocations: 0 };

describe('the stream of a feed', () => {
  it('begins with a hello, asks after 2 s and then every 15 s, and shows a grant that was renewed', async () => {
    const { streams, dialled, calls, credentials, until, polls, feed } = connected();
    await until(1_999);
    expect(dialled).toEqual([{ at: 0, timeoutMs: 10_000 }]);
    expect(calls).toContain('renewed where due');
    expect(streams[0]?.said.map(({ kind }) => kind)).toEqual(['hello']);
    await until(2_000);
    expect(polls()).toBe(1);
    await until(30_000);
    expect(polls()).toBe(3);
    feed.poll();
    await until(30_000);
    expect(polls()).toBe(4);
    credentials.grant = { id: 'another', raw: 'd.e.f' };
    await until(60_000);
    expect(polls()).toBe(5);
    expect(streams[0]?.said.filter(({ kind }) => kind === 'hello')).toMatchObject([
      { grant: 'a.b.c' },
      { grant: 'd.e.f' },
    ]);
  });

  it('says that there is a connection, and looks where else the controller is', async () => {
    const { feed, streams, told, calls, until } = connected();
    await until(0);
    expect(feed.trouble).toBe('no connection to the controller yet');
    streams[0]?.say(backlog);
    await until(1);
    expect(feed.trouble).toBeNull();
    expect(told).toEqual(['info connected']);
    const [one, two] = ['/ip4/192.0.2.1/tcp/1/p2p/controller', '/ip4/192.0.2.2/tcp/1/p2p/controller'];
    expect(calls).toContain(`controller is at ${one},${two}`);
  });

  it('quotes a host that the controller names for the shell that it may be pasted into', async () => {
    const { words, until } = connected(undefined, ['http://a;{rm,-rf,~}/', 'http://[fd00::1]:8080/']);
    await until(1);
    expect(words.map((says) => says.split('to allow it: ')[1])).toEqual([
      "quorate worker allow 'a;{rm,-rf,~}'",
      "quorate worker allow '[fd00::1]:8080'",
    ]);
  });

  it('asks for the rest of a backlog at once, as often as a whole one takes', async () => {
    const { streams, until, polls } = connected();
    await until(0);
    for (let n = 1; n <= 10; n++) {
      streams[0]?.say({ ...backlog, more: true });
      await until(n);
    }
    expect(polls()).toBe(10);
    // An eleventh in a row is more than there can be.
    streams[0]?.say({ ...backlog, more: true });
    await until(20);
    expect(polls()).toBe(10);
    streams[0]?.say({ ...backlog, more: true });
    await until(30);
    expect(polls()).toBe(11);
  });

  it('that cannot be made is tried again after 250 ms, and twice as long each time up to 5 s', async () => {
    const { feed, dialled, told, until } = connected('MESH_UNREACHABLE');
    await until(20_000);
    const waits = dialled.map(({ at }, n) => at - (dialled[n - 1]?.at ?? 0));
    expect(waits).toEqual([0, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    expect(feed.trouble).toContain('no connection to the controller: ');
    // Once it is tried no more often than that.
    expect(told).toEqual(['warn feed', 'warn feed', 'warn feed']);
  });

  it('is tried again where what was found of the controller cannot be kept', async () => {
    const { dialled, told, state, until } = connected('MESH_UNREACHABLE');
    state.isFull = true;
    await until(2_000);
    expect(dialled).toHaveLength(4);
    expect(told).toContain('warn address');
  });

  it('is tried again in 250 ms where the controller has another key', async () => {
    const { dialled, state, until } = connected('MESH_UNREACHABLE');
    await until(1_000);
    state.found = true;
    await until(3_000);
    state.refusal = 'CONTROLLER_BUSY';
    const [before, last] = dialled.slice(-2);
    expect((last?.at ?? 0) - (before?.at ?? 0)).toBe(250);
  });

  it('is tried again every half second while the controller asks its members', async () => {
    const { dialled, until } = connected('CONTROLLER_ASKING');
    await until(2_000);
    expect(dialled.map(({ at }) => at)).toEqual([0, 500, 1_000, 1_500, 2_000]);
  });

  it('that ends is made again at once, with a word about it', async () => {
    const { feed, streams, dialled, told, state, until, polls } = connected();
    await until(0);
    streams[0]?.say(backlog);
    await until(10_000);
    streams[0]?.end();
    await until(10_249);
    expect(feed.trouble).toContain('the controller closed the feed');
    expect(streams[0]?.closed).toBe(true);
    await until(10_250);
    expect(dialled).toHaveLength(2);
    expect(told).toEqual(['info connected', 'warn feed']);
    expect(polls()).toBe(1);
    // The stream that ended sends no further message.
    await until(12_250);
    expect(polls()).toBe(2);
    state.closing = true;
    streams[1]?.end();
    await until(40_000);
    expect(dialled).toHaveLength(2);
    expect(told).toHaveLength(2);
  });

  it('has its grant renewed where that is why it is refused', async () => {
    const { streams, state, feed, until } = connected();
    await until(0);
    streams[0]?.say({ kind: 'error', code: 'DOC_EXPIRED', message: 'ended' });
    await until(1);
    expect(state.renewed).toBe(1);
    await until(300);
    streams[1]?.say({ kind: 'error', code: 'WIRE_INVALID', message: 'unknown' });
    await until(301);
    expect(state.renewed).toBe(1);
    expect(feed.trouble).toContain('the controller is of an older version');
  });

  it('of a key that was revoked is asked for every ten minutes, with a word each time', async () => {
    const { dialled, told, until } = connected('KEY_REVOKED');
    await until(1_200_000);
    expect(dialled.map(({ at }) => at)).toEqual([0, 600_000, 1_200_000]);
    expect(told.filter((one) => one === 'warn feed').length).toBeGreaterThanOrEqual(3);
  });

  it('ends where a charter cannot be kept, and goes on where this version cannot read it', async () => {
    const { feed, streams, told, credentials, until } = connected();
    await until(0);
    credentials.learnCharter = async () => {
      throw reportedError('DOC_NEWER', 'a charter of version 9');
    };
    for (let n = 0; n < 2; n++) streams[0]?.say(backlog);
    await until(1);
    expect(feed.trouble).toBe('a charter of version 9: update Quorate here');
    expect(told).toEqual(['info connected', 'warn charter']);
    credentials.learnCharter = async () => {};
    streams[0]?.say(backlog);
    await until(2);
    expect(feed.trouble).toBeNull();
    credentials.learnCharter = async () => {
      throw reportedError('HOME_UNWRITABLE', 'no space left on the device');
    };
    streams[0]?.say(backlog);
    await until(3);
    expect([streams[0]?.closed, feed.trouble]).toEqual([true, expect.stringContaining('no space left')]);
  });
});
