import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../../simulations/scheduler.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import type { LeaseUp } from '../../../src/protocol/wire/messages.ts';
import type { GrantRenewal } from '../../../src/worker/sessions/grant-renewal.ts';
import { LeaseClient } from '../../../src/worker/sessions/lease-client.ts';
import type { LogWitness } from '../../../src/worker/sessions/log-witness.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { FakeChannel } from '../../protocol/sessions/fake-channel.ts';
import { settle } from '../../protocol/sessions/start-desk.ts';

const lease = {
  id: 'lease',
  raw: 'lease',
  signer: 'controller',
  payload: { offer: 'offer', iat: 0, exp: 2e9 },
};
const ack = { id: 'ack', raw: 'ack', payload: { aud: 'worker' } };

/** A worker's machine that holds what the test says, its lease client, and the streams that it opens. */
function worker() {
  const time = new Scheduler(settle);
  const streams: FakeChannel<LeaseUp>[] = [];
  const dialled: object[] = [];
  const events: { kind: string; code?: string }[] = [];
  const state = {
    refusal: undefined as string | undefined,
    closing: false,
    known: true,
    pending: undefined as object | undefined,
    acked: undefined as object | undefined,
    open: false,
    renewed: false,
    ack: { ...ack, payload: { aud: 'worker' } },
    lease,
    promised: [] as unknown[],
    drafts: [] as string[],
    again: false,
    times: undefined as string | undefined,
    asked: [] as [string, number][],
  };
  const ports = {
    version: { version: '1' },
    credentials: {
      grant: { id: 'grant', raw: 'grant' },
      charter: { controllers: ['controller'] },
      membership: { controllers: [{ id: 'controller', addrs: [] }] },
      controller: { id: 'controller', addrs: [] },
    },
    clock: {
      now: () => 1e12,
      monotonic: () => 0,
      onClosing: () => () => {},
      after: (ms: number, act: () => void) => time.after(ms, act),
      get closing() {
        return state.closing;
      },
    },
    dial: async (_peer: unknown, protocol: string, options: object) => {
      dialled.push({ protocol, ...options });
      if (state.refusal !== undefined) throw reportedError(state.refusal, 'refused');
      const stream = new FakeChannel<LeaseUp>('controller');
      if (state.again) Object.assign(stream.channel, { kept: { again: true, release: () => {} } });
      state.again = false;
      streams.push(stream);
      return stream.channel;
    },
    dispatch: async (event: { kind: string }) => void events.push(event),
    machine: {
      leaseOf: () => (state.known ? state.lease : undefined),
      pendingReceipt: () => state.pending,
      ackedReceipt: () => state.acked,
      roundOf: () => 7,
      offerOf: () => 'offer',
      isOpen: () => state.open,
    },
    signing: {
      signer: { id: 'worker', signed: { get: (kind: string) => ({ raw: `signed ${kind}` }) } },
      documents: { message: async (kind: string) => (kind === 'lease' ? state.lease : state.ack) },
      nonce: () => ' ',
    },
    logTimes: (of: string, messageBytes: number) => {
      state.asked.push([of, messageBytes]);
      return state.times;
    },
    tell: () => {},
  } as unknown as WorkerPorts;
  const client = new LeaseClient(
    ports,
    { refresh: async () => state.renewed } as unknown as GrantRenewal,
    { promised: async (...all: unknown[]) => void state.promised.push(...all) } as unknown as LogWitness,
    (_lease, bundle) => void state.drafts.push(bundle),
  );
  const said = (kind: LeaseUp['kind']) =>
    streams.flatMap((one) => one.said).filter((one) => one.kind === kind);
  const kinds = () => events.map(({ kind }) => kind);
  return {
    client,
    credentials: ports.credentials,
    ports,
    state,
    streams,
    dialled,
    events,
    kinds,
    said,
    time,
  };
}

/** A claim that was given a lease. */
async function leased() {
  const all = worker();
  const done = all.client.claim('offer', {} as never);
  await settle();
  const [stream] = all.streams;
  if (stream === undefined) throw new Error('a stream is opened');
  stream.say({ kind: 'lease', lease: 'lease' });
  await settle();
  return { ...all, done, stream };
}

describe('a claim', () => {
  it('opens a stream within ten seconds, with the grant and the version', async () => {
    const { dialled, said, done, stream } = await leased();
    expect(dialled).toMatchObject([{ timeoutMs: 10_000, fresh: false }]);
    expect(said('claim')).toMatchObject([
      { claim: 'signed claim', grant: 'grant', version: { version: '1' } },
    ]);
    stream.end();
    await done;
  });

  it('is a lease of the machine once it is given, with a heartbeat each five seconds until the stream ends', async () => {
    const { kinds, said, time, done, stream } = await leased();
    expect(kinds()).toEqual(['leased']);
    await time.run(time.now + 4_999);
    expect(said('heartbeat')).toHaveLength(0);
    await time.run(time.now + 10_001);
    expect(said('heartbeat')).toHaveLength(3);
    stream.end();
    await done;
    expect(kinds()).toEqual(['leased', 'detached']);
    await time.run(time.now + 20_000);
    expect(said('heartbeat')).toHaveLength(3);
  });

  it('waits in reserve, and is declined where it gets none', async () => {
    const { client, streams, kinds, events } = worker();
    const done = client.claim('offer', {} as never);
    await settle();
    streams[0]?.say({ kind: 'standby' });
    streams[0]?.say({ kind: 'reserve' });
    streams[0]?.say({ kind: 'error', code: 'CLAIM_LATE', message: 'late' });
    await done;
    expect(kinds()).toEqual(['reserve', 'declined']);
    expect(events.at(-1)).toMatchObject({ code: 'CLAIM_LATE', offer: 'offer' });
    expect(streams[0]?.closed).toBe(true);
  });

  it('is tried again where the grant was renewed, for a refusal that a grant explains alone', async () => {
    for (const [code, again] of [
      ['GRANT_NOT_VALID_THEN', true],
      ['CLAIM_LATE', undefined],
    ] as const) {
      const { client, streams, state, events } = worker();
      state.renewed = true;
      const done = client.claim('offer', {} as never);
      await settle();
      streams[0]?.say({ kind: 'error', code, message: 'no' });
      await done;
      expect(events).toEqual([
        { kind: 'declined', offer: 'offer', code, message: 'no', ...(again && { again }) },
      ]);
    }
  });

  it('that is a pass takes no lease', async () => {
    const { client, streams, events } = worker();
    const done = client.claim('offer', { pass: 'busy' } as never);
    await settle();
    streams[0]?.say({ kind: 'lease', lease: 'lease' });
    await done;
    expect(events).toMatchObject([{ kind: 'declined', code: 'MESH_LOST', message: /LEASE_UNASKED/ }]);
  });

  it.each<[string, object]>([
    ['of somebody else', { signer: 'another' }],
    ['that is over', { payload: { ...lease.payload, exp: 1e9 - 3_600 } }],
  ])('takes no lease %s', async (_, over) => {
    const { client, streams, state, kinds } = worker();
    state.lease = { ...lease, ...over };
    const done = client.claim('offer', {} as never);
    await settle();
    streams[0]?.say({ kind: 'lease', lease: 'lease' });
    await done;
    expect(kinds()).toEqual(['declined']);
  });

  it('takes one lease and no second', async () => {
    const { kinds, done, stream } = await leased();
    stream.say({ kind: 'lease', lease: 'lease' });
    await done;
    expect(kinds()).toEqual(['leased', 'detached']);
    expect(stream.closed).toBe(true);
  });

  it('keeps no lease that the machine has no use for', async () => {
    const { client, streams, state, kinds, said } = worker();
    state.known = false;
    state.pending = {};
    const done = client.claim('offer', {} as never);
    await settle();
    streams[0]?.say({ kind: 'lease', lease: 'lease' });
    await done;
    expect(kinds()).toEqual(['leased', 'declined']);
    expect(said('receipt')).toEqual([]);
    client.giveUp({ lease: 'lease', code: 'X', message: 'x' });
    expect(said('failed')).toEqual([]);
  });

  it.each([
    [new Error('the key is gone'), false, ['failed']],
    [new Error('the key is gone'), true, []],
    [reportedError('MESH_RESET', 'the stream is gone'), false, []],
  ])(
    'fails when its receipt cannot be signed for %s, unless that passes or the worker ends',
    async (error, closing, kinds) => {
      const { client, events, ports, state } = worker();
      state.closing = closing;
      Object.assign(ports.signing.signer, {
        signed: {
          get: () => {
            throw error;
          },
        },
      });
      await client.sendReceipt('lease', { receipt: {} as never });
      expect(events.map(({ kind }) => kind)).toEqual(kinds);
    },
  );

  it('is sent once more, on a stream of its own, where one that was kept turns out to be over', async () => {
    const { client, streams, state, dialled, kinds } = worker();
    state.again = true;
    const done = client.claim('offer', {} as never);
    await settle();
    streams[0]?.end();
    await settle();
    expect(dialled).toMatchObject([{ fresh: false }, { fresh: true }]);
    streams[1]?.end();
    await done;
    expect(kinds()).toEqual(['declined']);
  });
});

describe('a lease', () => {
  it('is told its ack, its reveal and its release', async () => {
    const { state, events, done, stream } = await leased();
    stream.say({ kind: 'ack', ack: 'ack' });
    await settle();
    expect(state.promised).toEqual([ack, 7, { lease: 'lease', offer: 'offer' }]);
    expect(events.at(-1)).toMatchObject({ kind: 'acked', lease: 'lease', ack });
    state.open = true;
    stream.say({ kind: 'reveal' });
    await settle();
    expect(events.at(-1)).toEqual({ kind: 'revealed', lease: 'lease' });
    // Its result is not acknowledged yet.
    expect(stream.closed).toBe(false);
    stream.say({ kind: 'release', code: 'RUN_OVER', message: 'over' });
    await done;
    expect(events.at(-1)).toEqual({ kind: 'released', lease: 'lease', code: 'RUN_OVER', message: 'over' });
  });

  it('takes no ack of another worker’s', async () => {
    const { state, kinds, stream, done } = await leased();
    state.ack = { ...ack, payload: { aud: 'another' } };
    stream.say({ kind: 'ack', ack: 'ack' });
    stream.end();
    await done;
    expect(kinds()).toEqual(['leased', 'detached']);
    expect(state.promised).toEqual([]);
  });

  it('is refused what it said, and ends', async () => {
    const { events, stream, done } = await leased();
    stream.say({ kind: 'error', code: 'RECEIPT_LATE', message: 'late' });
    await done;
    expect(events.at(-1)).toEqual({ kind: 'refused', lease: 'lease', code: 'RECEIPT_LATE', message: 'late' });
  });

  it('is only detached where the controller lost the connection', async () => {
    const { kinds, stream, done } = await leased();
    stream.say({ kind: 'error', code: 'MESH_RESET', message: 'lost' });
    await done;
    expect(kinds()).toEqual(['leased', 'detached']);
  });

  it('sends its receipt, and that it gives up, on its stream', async () => {
    const { client, said, state, stream, done } = await leased();
    await client.sendReceipt('lease', {
      receipt: {} as never,
      limit: { name: 'seconds', value: 9 } as never,
    });
    expect(said('receipt')).toMatchObject([
      { envelope: 'signed receipt', limit: { name: 'seconds', value: 9 } },
    ]);
    expect(said('receipt')[0]).not.toHaveProperty('times');
    state.times = '1+0';
    await client.sendReceipt('lease', { receipt: {} as never });
    expect(said('receipt')[1]).toEqual({ kind: 'receipt', envelope: 'signed receipt', times: '1+0' });
    // Of the message without them.
    expect(state.asked.at(-1)).toEqual(['lease', '{"kind":"receipt","envelope":"signed receipt"}'.length]);
    client.giveUp({ lease: 'lease', code: 'X_Y', message: 'x' });
    await settle();
    expect(said('failed')).toEqual([{ kind: 'failed', code: 'X_Y', message: 'x' }]);
    stream.end();
    await done;
    client.giveUp({ lease: 'lease', code: 'X_Y', message: 'x' });
    expect(said('failed')).toHaveLength(1);
  });

  it('hands on a draft once its receipt is acknowledged, and not before', async () => {
    const { state, stream, done, kinds } = await leased();
    stream.say({ kind: 'cosign', bundle: 'draft' });
    await settle();
    expect(state.drafts).toEqual(['draft']);
    state.pending = {};
    stream.say({ kind: 'cosign', bundle: 'another' });
    await done;
    expect(state.drafts).toEqual(['draft']);
    expect(kinds()).toEqual(['leased', 'detached']);
  });
});

describe('a lease that is resumed', () => {
  const resumeLease = async (change: (state: ReturnType<typeof worker>['state']) => void = () => {}) => {
    const all = worker();
    change(all.state);
    const done = all.client.resumeLease(lease as never);
    await settle();
    return { ...all, done, stream: all.streams[0] };
  };

  it('has a stream of its own, and sends its receipt again', async () => {
    const { dialled, said, stream, done, kinds } = await resumeLease((state) => {
      state.pending = { receipt: {} };
    });
    expect(dialled).toMatchObject([{ fresh: true }]);
    expect(said('resume')).toEqual([{ kind: 'resume', lease: 'lease' }]);
    stream?.say({ kind: 'lease', lease: 'lease' });
    await settle();
    expect(said('receipt')).toMatchObject([{ envelope: 'signed receipt' }]);
    stream?.end();
    await done;
    expect(kinds()).toEqual(['leased', 'detached']);
  });

  it('sends an acknowledged receipt once more where no ack comes with it', async () => {
    const { said, stream, time, done } = await resumeLease((state) => {
      state.acked = { receipt: {} };
    });
    stream?.say({ kind: 'lease', lease: 'lease' });
    await time.run(time.now + 4_999);
    expect(said('receipt')).toEqual([]);
    await time.run(time.now + 20_000);
    expect(said('receipt')).toMatchObject([{ envelope: 'signed receipt' }]);
    stream?.end();
    await done;
  });

  it('does not where the ack comes again', async () => {
    const { said, stream, time, done } = await resumeLease((state) => {
      state.acked = { receipt: {} };
    });
    stream?.say({ kind: 'lease', lease: 'lease' });
    stream?.say({ kind: 'ack', ack: 'ack' });
    await time.run(time.now + 20_000);
    expect(said('heartbeat')).not.toEqual([]);
    expect(said('receipt')).toEqual([]);
    stream?.end();
    await done;
  });

  it('may have run out, under another key of the controller', async () => {
    const { stream, done, kinds } = await resumeLease((state) => {
      state.lease = { ...lease, signer: 'before', payload: { ...lease.payload, exp: 1 } };
    });
    stream?.say({ kind: 'lease', lease: 'lease' });
    await settle();
    stream?.end();
    await done;
    expect(kinds()).toEqual(['leased', 'detached']);
  });

  it('is no other lease', async () => {
    const { stream, done, kinds } = await resumeLease((state) => {
      state.lease = { ...lease, id: 'another' };
    });
    stream?.say({ kind: 'lease', lease: 'lease' });
    await done;
    expect(kinds()).toEqual(['detached']);
  });

  it('that the machine does not have is not asked for', async () => {
    const { dialled } = await resumeLease((state) => {
      state.known = false;
    });
    expect(dialled).toEqual([]);
  });

  it('is released where the controller refuses it, and detached where it cannot be reached', async () => {
    const refused = await resumeLease();
    refused.stream?.say({ kind: 'error', code: 'LEASE_OVER', message: 'over' });
    await refused.done;
    expect(refused.events).toEqual([
      { kind: 'released', lease: 'lease', code: 'LEASE_OVER', message: 'over' },
    ]);
    const lost = await resumeLease((state) => {
      state.refusal = 'MESH_UNREACHABLE';
    });
    await lost.done;
    expect(lost.events).toEqual([{ kind: 'detached', lease: 'lease' }]);
  });

  it('is not told of while the node shuts down', async () => {
    const { state, events, stream, done } = await resumeLease();
    state.closing = true;
    stream?.end();
    await done;
    expect(events).toEqual([]);
  });
});
