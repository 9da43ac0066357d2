import { expect, it } from 'vitest';
import { IdpClient } from '../../../src/controller/sessions/grants.ts';
import type { StorePorts } from '../../../src/controller/sessions/ports.ts';
import { StorePins } from '../../../src/controller/sessions/store-pins.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { signMessage } from '../../../src/protocol/documents/index.ts';
import { ask, openQuestion } from '../../../src/protocol/sessions/ask.ts';
import { bundleServer, requestBundle } from '../../../src/protocol/sessions/bundle-exchange.ts';
import { searchCharters } from '../../../src/protocol/sessions/charter-search.ts';
import { findController } from '../../../src/protocol/sessions/join.ts';
import type { Channel, Clock, Dial, ServedProtocol, Signing } from '../../../src/protocol/sessions/ports.ts';
import { requestRevocations, revocationServer } from '../../../src/protocol/sessions/revocation-exchange.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { pinServer } from '../../../src/store-node/sessions/pin-server.ts';
import { openLog } from '../../../src/worker/sessions/log-client.ts';
import { cidOf, controller, makeCharter, root } from '../../support/documents.ts';

/** A peer that says the given messages and then nothing; notes how long it is waited for, in milliseconds. */
class Silent implements Channel {
  readonly peer = controller.id;
  readonly opened: number[] = [];
  readonly waits: (number | undefined)[] = [];
  closed = false;
  readonly #messages: object[];

  constructor(...messages: object[]) {
    this.#messages = messages;
  }

  readonly dial: Dial = async (_peer, _protocol, { timeoutMs }) => {
    this.opened.push(timeoutMs);
    return this;
  };

  async receive({ timeoutMs }: { timeoutMs?: number } = {}): Promise<Uint8Array> {
    this.waits.push(timeoutMs);
    const next = this.#messages.shift();
    if (next === undefined) throw reportedError('MESH_TIMEOUT', 'nothing came');
    return encodeMessage(next);
  }

  async send(): Promise<void> {}

  async close(): Promise<void> {
    this.closed = true;
  }

  abort(): void {
    this.closed = true;
  }
}

const clock: Clock = {
  now: () => 1_000_000_000,
  monotonic: () => 0,
  after: () => () => {},
  endOfTurn: queueMicrotask,
  closing: false,
  onClosing: () => () => {},
};
const peer = { id: controller.id, addrs: ['/ip4/192.0.2.1/tcp/4711'] };
const charter = await signMessage('charter', makeCharter(), root.signer);

const storePins = (dial: Dial) =>
  new StorePins({ dispatch: async () => {}, clock, tell: () => {} }, {
    dial,
    addressOf: () => peer,
    findPeer: async () => peer,
    boundOf: () => 1,
    probe: async () => {},
  } as unknown as StorePorts);
const idpClient = (dial: Dial) =>
  new IdpClient({
    project: charter.signer,
    idpAddrs: peer.addrs,
    dial,
    clock,
    charter: () => charter,
    takeCharter: async () => {},
    addresses: () => [],
    tell: () => {},
  } as unknown as ConstructorParameters<typeof IdpClient>[0]);

it.each<[string, number, number | undefined, (dial: Dial) => unknown]>([
  ['a question to a controller', 20_000, 20_000, (dial) => ask(dial, [peer], { kind: 'charter' })],
  ['a question that is followed', 20_000, undefined, (dial) => openQuestion(dial, peer, { kind: 'charter' })],
  ['a bundle', 10_000, 20_000, (dial) => requestBundle(dial, peer, 'a'.repeat(64))],
  ['a charter at an old address', 4_000, 4_000, (dial) => searchCharters(dial, [], [peer])],
  [
    'revocations',
    10_000,
    20_000,
    (dial) => requestRevocations(dial, peer, async () => ({ refused: [] }) as never),
  ],
  ['the identity provider', 4_000, 6_000, (dial) => idpClient(dial).exchange()],
  ['a live log', 10_000, undefined, (dial) => openLog(dial, peer, 'a')],
  [
    'an artifact store',
    10_000,
    20_000,
    (dial) =>
      storePins(dial).ask({
        kind: 'pin',
        run: 'a',
        artifact: cidOf('a'),
        from: [],
        stores: [peer.id],
      } as never),
  ],
])('gives a silent peer up in time: %s', async (_, openMs, answerMs, asking) => {
  const silent = new Silent();
  const failed = Promise.resolve(asking(silent.dial)).catch(() => {});
  await expect.poll(() => silent.opened).not.toEqual([]);
  await failed;
  if (answerMs !== undefined) await expect.poll(() => silent.waits).not.toEqual([]);
  expect(new Set(silent.opened)).toEqual(new Set([openMs]));
  expect(new Set(silent.waits)).toEqual(new Set(answerMs === undefined ? [] : [answerMs]));
});

it.each(['MESH_BUSY', 'MESH_FULL'])(
  'a controller that takes no more connections is told of by %s',
  async (code) => {
    const refused = reportedError(code, 'not now');
    const dialled: unknown[] = [];
    const dial: Dial = async ({ id }) => {
      dialled.push(id);
      throw id === peer.id ? refused : reportedError('MESH_UNREACHABLE', 'nobody');
    };
    const away = { id: root.id, addrs: [] };
    await expect(ask(dial, [peer, away], { kind: 'charter' })).rejects.toBe(refused);
    expect(dialled).toEqual([peer.id, away.id]);
    // Joining does not look for it elsewhere either.
    const signing = { signer: root.signer } as Signing;
    await expect(findController({ dial, signing }, root.id, [peer])).rejects.toBe(refused);
    expect(dialled).toEqual([peer.id, away.id, peer.id]);
  },
);

const bundles = bundleServer({ size: async () => 2, get: async () => '{}' });
const revocations = revocationServer({
  page: () => ({ charters: [], revocations: [] }),
  evidence: () => [],
  checkpoint: () => undefined,
});
const pins = pinServer({ clock, isController: () => true, pin: async () => ({ until: 1 }), tell: () => {} });

it.each<[string, ServedProtocol, (number | undefined)[], object]>([
  ['a bundle', bundles, [10_000, 60_000], { which: 'a'.repeat(64) }],
  ['revocations', revocations, [10_000, 10_000], { kind: 'ask' }],
  [
    'a tree to keep',
    pins,
    [10_000],
    { kind: 'pin', run: 'a'.repeat(64), tree: cidOf('a'), maxBytes: 5, from: [] },
  ],
])('holds no stream for long for a peer that asks nothing: %s', async (_, served, waits, question) => {
  const silent = new Silent(question);
  await served.session(silent);
  expect(silent.waits).toEqual(waits);
  expect(silent.closed).toBe(true);
  const mute = new Silent();
  await served.session(mute);
  expect(mute.waits).toEqual(waits.slice(0, 1));
  expect(mute.closed).toBe(true);
});
