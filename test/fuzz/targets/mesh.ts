import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import fc from 'fast-check';
import type { ControllerNode } from '../../../src/controller/node/node.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { PEER_EXCHANGE_PROTOCOL } from '../../../src/mesh/peer-exchange.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { protocols, topics } from '../../../src/protocol/wire/protocols.ts';
import { encodeRequest } from '../../../src/transfer/frames.ts';
import { makeJob } from '../../support/project.ts';
import { mutatedBytes } from '../arbitraries.ts';
import { Scratch, validTexts } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';
import { smallCar } from './blocks.ts';
import { changesOf } from './sessions.ts';

/** As in `src/mesh/libp2p-node.ts`, which brings all of libp2p along. */
const dhtProtocol = '/quorate/kad/1';
const waitMsMax = 50_000;
const answerCharsMax = 4_000;
/** Streams by one peer before another takes its place: beyond its rate a peer is refused before it is read. */
const streamsPerPeer = 100;

/** A controller as it runs, and peers who send it what they like. */
class Live {
  readonly #scratch = new Scratch();
  #controller: ControllerNode | undefined;
  #failure: unknown;
  #peer: Mesh | undefined;
  #streams = 0;
  project = '';

  async open(): Promise<ControllerNode> {
    if (this.#controller !== undefined) return this.#controller;
    // The one target that needs all of a node: the others start without waiting for it to be read.
    const { startController } = await import('../../../src/controller/node/node.ts');
    const { initProject, openProjectFolder } = await import('../../../src/owner/project-folder.ts');
    const folder = await initProject(await this.#scratch.dir(), { name: 'example', vcs: [], bootstrap: [] });
    this.project = folder.project;
    this.#controller = await startController({
      folder: await openProjectFolder(folder.dir),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      bootstrap: [],
      onEvent: () => {},
      onRekeyed: () => {},
      onFailure: (error) => {
        this.#failure = error;
      },
    });
    return this.#controller;
  }

  get target(): { id: string; addrs: string[] } {
    const { id = '' } = this.#controller ?? {};
    return { id, addrs: this.#controller?.addresses() ?? [] };
  }

  async peer(): Promise<Mesh> {
    if (this.#peer !== undefined && this.#streams < streamsPerPeer) {
      this.#streams += 1;
      return this.#peer;
    }
    await this.#peer?.close();
    this.#streams = 0;
    const own = await openMesh({
      key: randomBytes(32),
      listen: [],
      bootstrap: [],
      topics: [topics.offers(this.project)],
      role: 'node',
    });
    this.#peer = own;
    await own.connect(this.target.addrs);
    return own;
  }

  /** Another peer is served as before. */
  async mustLive(): Promise<void> {
    must(this.#failure === undefined, `the controller has ended: ${String(this.#failure)}`);
    const peer = await this.peer();
    const channel = await peer.open(this.target, protocols.api, {
      signal: AbortSignal.timeout(waitMsMax),
      maxMessageBytes: 2 ** 20,
    });
    await channel.send(encodeMessage({ kind: 'charter' }));
    const answer = await channel.receive({ timeoutMs: waitMsMax });
    await channel.close();
    must(answer !== undefined && Buffer.from(answer).includes('"charter"'), 'the controller answers no more');
  }

  async close(): Promise<void> {
    await this.#peer?.close();
    await this.#controller?.close();
    this.#peer = undefined;
    this.#controller = undefined;
    await this.#scratch.close();
  }
}

const framed = (message: Uint8Array): Uint8Array => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(message.length);
  return new Uint8Array(Buffer.concat([head, message]));
};
const isJson = (message: Uint8Array): boolean => message[4] === '{'.charCodeAt(0);
const first = (kind: Parameters<typeof validTexts>[0]): string => validTexts(kind)[0] ?? '';

/** One honest opening of each protocol that a stranger may speak. */
async function openings(project: string): Promise<[protocol: string, message: Uint8Array][]> {
  const capabilities = {
    arch: 'x86_64',
    cpus: 2,
    memoryBytes: 2 ** 30,
    diskBytes: 2 ** 30,
    tiers: ['namespace'],
  };
  const { root } = await smallCar();
  const own = [
    [protocols.api, { kind: 'log', from: 0 }],
    [protocols.api, { kind: 'enrol', enrol: first('enrol'), invite: first('invite') }],
    [
      protocols.api,
      {
        kind: 'submit',
        request: first('request'),
        publisher: first('grant'),
        job: JSON.stringify(makeJob()),
      },
    ],
    [protocols.api, { kind: 'logs', which: 'ab'.repeat(32), follow: true }],
    [protocols.feed, { kind: 'hello', grant: first('grant'), capabilities }],
    [protocols.lease, { kind: 'claim', claim: first('claim'), grant: first('grant') }],
    [protocols.lease, { kind: 'resume', lease: first('lease') }],
    [protocols.lease, { kind: 'receipt', envelope: first('receipt') }],
    [protocols.log, { lease: 'ab'.repeat(32) }],
    [protocols.bundle, { which: 'bafyreibundle' }],
    [PEER_EXCHANGE_PROTOCOL, { root: project, addrs: ['/ip4/127.0.0.1/tcp/1'] }],
  ] as const;
  // Of the libraries' own protocols: a length and a message of protobuf, with fields of every kind.
  const protobuf = Uint8Array.from([12, 0x0a, 2, 1, 2, 0x10, 0x96, 1, 0x1a, 3, 0x0a, 1, 1]);
  const theirs = [
    dhtProtocol,
    '/meshsub/1.2.0',
    '/ipfs/bitswap/1.2.0',
    '/libp2p/autonat/1.0.0',
    '/libp2p/dcutr',
    '/ipfs/id/push/1.0.0',
    '/ipfs/ping/1.0.0',
  ];
  return [
    ...own.map(([protocol, message]): [string, Uint8Array] => [protocol, framed(encodeMessage(message))]),
    [protocols.car, framed(encodeRequest([root], 1000))],
    ...theirs.map((protocol): [string, Uint8Array] => [protocol, protobuf]),
  ];
}

const live = new Live();
let opened: [protocol: string, message: Uint8Array][] = [];

interface Sent {
  which: number;
  hex: string;
  /** Bytes of each piece it is sent in. */
  piece: number;
}

const streams = define<{ which: number; hex: string; piece: number }>({
  name: 'mesh-streams',
  async seeds() {
    await live.open();
    opened = await openings(live.project);
    return opened.map(([, message], which) => ({
      which,
      hex: Buffer.from(message).toString('hex'),
      piece: 1000,
    }));
  },
  arbitrary: (seeds) =>
    fc.oneof(
      fc.nat({ max: seeds.length - 1 }).chain((which) =>
        fc.record({
          which: fc.constant(which),
          hex: mutatedBytes([Buffer.from(seeds[which]?.hex ?? '', 'hex')]).map((bytes) =>
            Buffer.from(bytes).toString('hex'),
          ),
          piece: fc.constantFrom(1, 7, 1000, 100_000),
        }),
      ),
      // Each field of it missing, doubled, or of another type.
      fc
        .constantFrom(...opened.flatMap(([, message], which) => (isJson(message) ? [which] : [])))
        .chain((which) =>
          fc.record({
            which: fc.constant(which),
            hex: fc
              .constantFrom(
                ...changesOf(JSON.parse(Buffer.from(opened[which]?.[1] ?? []).toString('utf8', 4))),
              )
              .map((text) => Buffer.from(framed(Buffer.from(text))).toString('hex')),
            piece: fc.constant(100_000),
          }),
        ),
      // The message changed and its length as it should be.
      fc.nat({ max: seeds.length - 1 }).chain((which) =>
        fc.record({
          which: fc.constant(which),
          hex: mutatedBytes([Buffer.from(seeds[which]?.hex ?? '', 'hex').subarray(4)]).map((bytes) =>
            Buffer.from(framed(bytes)).toString('hex'),
          ),
          piece: fc.constantFrom(7, 1000),
        }),
      ),
    ),
  // Both ends run here, with encryption; what a controller does for one message is bounded by the tests of its parts.
  msMax: 1_000,
  async run({ which, hex, piece }: Sent) {
    const [protocol = '', _] = opened[which] ?? [];
    const peer = await live.peer();
    const [connection] = peer.libp2p.getConnections();
    const stream = await connection
      ?.newStream(protocol, { signal: AbortSignal.timeout(waitMsMax) })
      .catch(() => undefined);
    const bytes = Buffer.from(hex, 'hex');
    let answer = '';
    stream?.addEventListener('message', ({ data }) => {
      if (answer.length < answerCharsMax) answer += Buffer.from(data.subarray()).toString('latin1');
    });
    try {
      for (let at = 0; stream !== undefined && at < bytes.length && at / piece < 2_000; at += piece) {
        if (stream.writeStatus !== 'writable') break;
        if (!stream.send(bytes.subarray(at, at + piece))) break;
      }
      await stream?.close({ signal: AbortSignal.timeout(waitMsMax) });
    } catch {
      // The controller may have broken it off in the middle, as it should of such a peer.
    }
    stream?.abort(new Error('enough'));
    await live.mustLive();
    must(!answer.includes('"code":"INTERNAL"'), `it is answered with a failure: ${answer.slice(0, 200)}`);
  },
  close: () => live.close(),
});

const bare = new Live();
/** Bytes to a port before anybody has said who they are: `multistream-select`, then Noise. */
const socket = define<Uint8Array>({
  name: 'mesh-socket',
  async seeds() {
    await bare.open();
    const hello = (text: string) => Uint8Array.from([text.length + 1, ...Buffer.from(`${text}\n`)]);
    const noise = Uint8Array.from([0, 32, ...randomBytes(32)]);
    return [
      hello('/multistream/1.0.0'),
      new Uint8Array(Buffer.concat([hello('/multistream/1.0.0'), hello('/noise'), noise])),
    ];
  },
  arbitrary: mutatedBytes,
  msMax: 1_000,
  async run(bytes) {
    const [port] = bare.target.addrs.flatMap((addr) => /\/tcp\/(\d+)/.exec(addr)?.[1] ?? []).map(Number);
    await new Promise<void>((resolve) => {
      const to = connect({ port: port ?? 0, host: '127.0.0.1', localAddress: '127.9.9.9' });
      const timer = setTimeout(() => to.destroy(), 25);
      to.on('error', () => {});
      to.on('close', () => {
        clearTimeout(timer);
        resolve();
      });
      to.resume().write(bytes);
    });
    await bare.mustLive();
  },
  close: () => bare.close(),
});

export const targets: readonly AnyTarget[] = [streams, socket];
