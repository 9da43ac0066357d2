import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CID } from 'multiformats/cid';
import { pack } from 'tar-stream';
import type { ControllerEvent } from '../../src/controller/machine/events.ts';
import { ControllerSessions } from '../../src/controller/sessions/controller-sessions.ts';
import type { ControllerPorts } from '../../src/controller/sessions/ports.ts';
import { keyFromSeed } from '../../src/identity/keys.ts';
import { IdentityProvider } from '../../src/idp/machine/machine.ts';
import { IdpSessions } from '../../src/idp/sessions/idp-sessions.ts';
import { type Mesh, openMesh } from '../../src/mesh/index.ts';
import { PEER_EXCHANGE_PROTOCOL } from '../../src/mesh/peer-exchange.ts';
import { serveArtifacts } from '../../src/node/artifacts/transfer.ts';
import { nodeClock, nodeLoop, signingOf } from '../../src/node/ports.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { signMessage } from '../../src/protocol/documents/index.ts';
import { bundleServer } from '../../src/protocol/sessions/bundle-exchange.ts';
import { revocationServer } from '../../src/protocol/sessions/revocation-exchange.ts';
import { encodeMessage } from '../../src/protocol/wire/messages.ts';
import { ownVersion } from '../../src/protocol/wire/peer-version.ts';
import { protocols } from '../../src/protocol/wire/protocols.ts';
import { openStore } from '../../src/store/index.ts';
import { pinServer } from '../../src/store-node/sessions/pin-server.ts';
import { encodeRequest } from '../../src/transfer/frames.ts';
import { started } from '../protocol/sessions/started.ts';
import { History } from './history.ts';

/** A request of a stranger on a protocol. */
export interface PricedRequest {
  protocol: string;
  /** Its kind, and what it is about. */
  request: string;
  message: Uint8Array;
}

export interface PricedServer {
  mesh: Mesh;
  requests: PricedRequest[];
  close(): Promise<void>;
}

const bundleBytes = 4 * 2 ** 20;

export interface PricedSize {
  /** Runs that the controller has had: seven leaves of the log each. */
  runs: number;
  /** Files in one folder of the tree that is fetched. */
  files: number;
}

/** One node that serves what a controller, a worker and a store serve, with a history. */
export async function openPriced({ runs, files }: PricedSize): Promise<PricedServer> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-prices-'));
  const stop = new AbortController();
  const clock = nodeClock(stop.signal);
  const mesh = await openMesh({
    key: randomBytes(32),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    topics: [],
    role: 'node',
    // No request is refused while its price is measured, and each message is counted.
    rankOf: () => 'member',
  });
  const store = await openStore({ dir: join(dir, 'store'), libp2p: mesh.libp2p });
  const history = new History();
  await history.start();
  await history.run(runs);
  const { machine } = history;
  const sessions: ControllerSessions = new ControllerSessions({
    project: history.paper.project,
    signing: signingOf(keyFromSeed(randomBytes(32)).signer),
    version: ownVersion('1.0.0'),
    clock,
    machine,
    inquiry: started,
    dispatch: async (event: ControllerEvent) => {
      for (const effect of machine.handle(event, history.now).effects)
        if (effect.kind === 'reply') sessions.perform(effect);
    },
    charge: (account: string, turns: number) => mesh.charge(account, turns),
    logEvidence: {
      equivocations: [],
      evidence: () => [],
      page: () => ({ charters: [], revocations: [] }),
      learn: async () => ({ found: [], refused: [] }),
    },
    logFiles: {
      create: async () => ({ write() {}, async end() {} }),
      async *read() {},
      async keepTimes() {},
      times: async () => undefined,
    },
    refreshCharter: async () => {},
    feedUrls: () => [],
    tell: () => {},
  } as unknown as ControllerPorts);
  const idp = new IdentityProvider(history.paper.idp.id);
  const idpSessions: IdpSessions = new IdpSessions({
    project: history.paper.project,
    signing: signingOf(keyFromSeed(randomBytes(32)).signer),
    clock,
    machine: idp,
    charge: (account, turns) => mesh.charge(account, turns),
    dispatch: async (event) => {
      for (const effect of idp.handle(event, history.now).effects) idpSessions.perform(effect);
    },
    takeCharter: async () => {},
    keepAddress: async () => {},
  });
  const charter = await history.paper.charter();
  idp.handle({ kind: 'started', charter, key: history.paper.idp.id, grantMs: 60_000 }, history.now);
  const pins = pinServer({
    clock,
    isController: () => false,
    tell: () => {},
    pin: async () => ({ until: 0 }),
  });
  const bundle = JSON.stringify({ text: 'x'.repeat(bundleBytes) });
  const bundles = bundleServer(
    { size: async () => bundle.length, get: async () => bundle },
    undefined,
    nodeLoop,
  );
  const revocations = revocationServer({
    page: () => ({ charters: [], revocations: [] }),
    evidence: () => [],
    checkpoint: () => undefined,
  });
  const ofSessions = sessions.served.filter(({ protocol }) => protocol !== protocols.revocations);
  for (const { protocol, session, options } of [
    ...ofSessions,
    idpSessions.served,
    pins,
    bundles,
    revocations,
  ])
    mesh.handle(protocol, session, options);
  serveArtifacts({ mesh, store });
  const tar = pack();
  for (let n = 0; n < files; n++) tar.entry({ name: `${n}.txt` }, String(n));
  tar.finalize();
  const { root } = await store.importTar(Readable.from(tar), { into: store.public });
  const [newest] = machine.state.index.list({}, 1).runs;
  return {
    mesh,
    requests: await requestsOf(history, { root, run: newest?.id ?? '' }),
    async close() {
      stop.abort();
      await store.close();
      await mesh.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Every kind of message that a stranger may send, and on the other protocols the first one, which is refused. */
async function requestsOf(
  history: History,
  { root, run }: { root: string; run: string },
): Promise<PricedRequest[]> {
  const eve = keyFromSeed(randomBytes(32));
  const iat = Math.floor(Date.now() / 1000);
  const times = { iat, exp: iat + 300 };
  const { project } = history.paper;
  const jti = 'A'.repeat(24);
  const invite = {
    iss: eve.id,
    project,
    operator: 'eve',
    role: 'worker' as const,
    hosts: 9,
    addrs: [] as string[],
    jti,
    ...times,
  };
  const enrol = { iss: eve.id, aud: history.paper.idp.id, project, invite: jti, jti, ...times };
  const revocation = {
    iss: eve.id,
    project,
    what: { kind: 'key', id: eve.id },
    since: 0,
    reason: 'x',
    iat,
  } as const;
  const signed = {
    invite: (await signMessage('invite', invite, eve.signer)).raw,
    enrol: (await signMessage('enrol', enrol, eve.signer)).raw,
    revocation: (await signMessage('revocation', revocation, eve.signer)).raw,
  };
  const of = (protocol: string, request: string, message: unknown): PricedRequest => {
    return { protocol, request, message: encodeMessage(message) };
  };
  const { size } = history.machine.state.log;
  return [
    of(protocols.api, 'charter', { kind: 'charter' }),
    of(protocols.api, 'log', { kind: 'log', from: 0 }),
    of(protocols.api, 'inclusion', { kind: 'inclusion', index: 1, size }),
    of(protocols.api, 'checkpoint', { kind: 'checkpoint', old: 1, size }),
    of(protocols.api, 'enrol', { kind: 'enrol', enrol: signed.enrol, invite: signed.invite }),
    of(protocols.api, 'jobs', { kind: 'jobs' }),
    of(protocols.api, 'show', { kind: 'show', which: run }),
    of(protocols.api, 'show, the start of an id', { kind: 'show', which: run.slice(0, 9) }),
    of(protocols.api, 'follow', { kind: 'follow', which: run }),
    of(protocols.api, 'logs', { kind: 'logs', which: run, follow: false }),
    of(protocols.api, 'revoke', { kind: 'revoke', revocation: signed.revocation }),
    of(protocols.api, 'equivocation', { kind: 'equivocation', equivocation: 'x' }),
    of(protocols.api, 'renew, refused', { kind: 'renew', enrol: signed.enrol }),
    of(protocols.feed, 'hello, refused', { kind: 'poll' }),
    of(protocols.lease, 'heartbeat, refused', { kind: 'heartbeat' }),
    of(protocols.cosign, 'heartbeat, refused', { kind: 'heartbeat' }),
    of(protocols.log, 'header, refused', { lease: 'a'.repeat(64) }),
    of(protocols.idp, 'charter, refused', { kind: 'charter', charter: signed.invite, addrs: [] }),
    of(protocols.pin, 'refused', { kind: 'pin' }),
    of(protocols.bundle, `of ${bundleBytes / 2 ** 20} MiB`, { which: run }),
    of(protocols.revocations, 'ask', { kind: 'ask' }),
    of(protocols.revocations, 'checkpoint', { kind: 'checkpoint' }),
    of(protocols.revocations, 'held, refused', { kind: 'held' }),
    of(PEER_EXCHANGE_PROTOCOL, 'members', { root: project, addrs: [] }),
    { protocol: protocols.car, request: 'a folder', message: encodeRequest([CID.parse(root)], 2 ** 26) },
  ];
}

/** Asks once, and reads until the other side ends the stream. */
export async function askOnce(
  client: Mesh,
  server: { id: string; addrs: string[] },
  { protocol, message }: PricedRequest,
): Promise<void> {
  const channel = await client.open(server, protocol, {
    signal: AbortSignal.timeout(60_000),
    maxMessageBytes: limits.bundleBytesMax,
  });
  try {
    await channel.send(message);
    await channel.close();
    while ((await channel.receive({ timeoutMs: 60_000 })) !== undefined);
  } catch {
    // It is refused.
  }
}
