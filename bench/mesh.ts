import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import { noise } from '@chainsafe/libp2p-noise';
import { identify } from '@libp2p/identify';
import type { Libp2p, Stream } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { StreamChannel } from '../src/mesh/channel.ts';
import { BoundedDatastore } from '../src/mesh/datastore.ts';
import { type Channel, type Link, type Mesh, openMesh } from '../src/mesh/index.ts';
import { processorSeconds } from './processes.ts';
import { type Bench, median, type Suite } from './run.ts';

const protocol = '/quorate/bench/1';
const limits = { maxMessageBytes: 64 * 1024 };
const message = randomBytes(600);
const rounds = 5;
const count = 300;
const secondsMax = 120;

/** Opens a channel between two nodes of this process, the second of which sends each message back. */
type Pair = () => Promise<Channel>;

const address = '/ip4/127.0.0.1/tcp/0';

async function echo(channel: Channel): Promise<void> {
  for (let message = await channel.receive(); message !== undefined; message = await channel.receive())
    await channel.send(message);
  await channel.close();
}

/** Socket writes and peer records of this process, that is of both nodes. */
const counted = { writes: 0, records: 0 };

function countCalls(bench: Bench): void {
  const { write } = Socket.prototype;
  const { put } = BoundedDatastore.prototype;
  Socket.prototype.write = function (this: Socket, ...given: unknown[]): boolean {
    counted.writes += 1;
    return Reflect.apply(write, this, given);
  };
  BoundedDatastore.prototype.put = function (...given) {
    if (given[0].toString().startsWith('/peers/')) counted.records += 1;
    return put.apply(this, given);
  };
  bench.after(() => Object.assign(Socket.prototype, { write }));
  bench.after(() => Object.assign(BoundedDatastore.prototype, { put }));
}

/** libp2p as its documentation puts it together, with our channel on its streams. */
async function asDocumented(bench: Bench): Promise<Pair> {
  const node = async (): Promise<Libp2p> => {
    const datastore = new BoundedDatastore(
      () => true,
      () => {},
    );
    const made = await createLibp2p({
      datastore,
      services: { identify: identify() },
      addresses: { listen: [address] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
    });
    bench.after(() => made.stop());
    return made;
  };
  const [from, to] = [await node(), await node()];
  const other: Link = {
    peer: 'the other',
    network: '',
    rank: 'guest',
    open: () => Promise.reject(new Error('not used')),
  };
  const channel = (stream: Stream): StreamChannel => new StreamChannel(stream, other, limits);
  await to.handle(protocol, (stream) => void echo(channel(stream)).catch(() => {}), {
    maxInboundStreams: 1024,
  });
  const connection = await from.dial(to.getMultiaddrs());
  return async () => channel(await connection.newStream(protocol));
}

async function ours(bench: Bench): Promise<Pair> {
  const node = async (): Promise<Mesh> => {
    const made = await openMesh({
      key: randomBytes(32),
      listen: [address],
      bootstrap: [],
      topics: [],
      role: 'node',
    });
    bench.after(() => made.close());
    return made;
  };
  const [from, to] = [await node(), await node()];
  to.handle(protocol, echo, { ...limits, maxInboundStreams: 1024, perPeerPerMinute: 1e6 });
  const target = { id: to.id, addrs: to.addresses() };
  return () => from.open(target, protocol, { ...limits, signal: AbortSignal.timeout(secondsMax * 1000) });
}

async function once(open: Pair): Promise<void> {
  const channel = await open();
  await channel.send(message);
  await channel.receive();
  await channel.close();
  await channel.receive();
}

interface Cost {
  microseconds: number;
  writes: number;
  records: number;
}

async function costOf(work: () => Promise<void>): Promise<Cost> {
  const before = { ...counted };
  const seconds = await processorSeconds(async () => {
    for (let n = 0; n < count; n += 1) await work();
  });
  return {
    microseconds: (seconds * 1e6) / count,
    writes: (counted.writes - before.writes) / count,
    records: (counted.records - before.records) / count,
  };
}

async function run(bench: Bench): Promise<void> {
  countCalls(bench);
  const pairs = { ours: await ours(bench), theirs: await asDocumented(bench) };
  const taken = { ours: [] as Cost[][], theirs: [] as Cost[][] };
  for (let round = 0; round < rounds; round += 1) {
    for (const [whose, open] of Object.entries(pairs) as [keyof typeof pairs, Pair][]) {
      const stream = await costOf(() => once(open));
      const channel = await open();
      const there = await costOf(async () => {
        await channel.send(message);
        await channel.receive();
      });
      await channel.close();
      taken[whose].push([stream, there]);
    }
  }
  const units = { microseconds: 'µs of processor time', writes: 'writes', records: 'records' } as const;
  for (const [index, what] of ['a stream opened, used and closed', 'a message there and back'].entries()) {
    for (const [key, unit] of Object.entries(units) as [keyof Cost, string][]) {
      const of = (whose: keyof typeof taken): number =>
        median(taken[whose].map((costs) => costs[index]?.[key] ?? Number.NaN));
      if (key === 'records' && of('theirs') < 0.5) continue;
      bench.figure(`${what}, both sides`, of('ours'), unit, {
        beside: ['libp2p as documented', of('theirs')],
        ...(key !== 'microseconds' && { under: 0.5 }),
      });
    }
  }
}

export const suite: Suite = {
  what: 'streams and messages between two nodes of one process, beside libp2p as its documentation puts it together',
  secondsMax,
  run,
};
