import { joseVerifier } from '../../identity/verifier.ts';
import { type Mesh, type PeerAddress, projectRendezvous } from '../../mesh/index.ts';
import { fetchBundle } from '../../node/artifacts/bundles.ts';
import { connectTo } from '../../node/artifacts/fetch.ts';
import { openIdleStore } from '../../node/artifacts/idle-store.ts';
import { artifactLimits } from '../../node/artifacts/limits.ts';
import { providersFound } from '../../node/artifacts/members.ts';
import { openVisitor } from '../../node/artifacts/moved-controllers.ts';
import { pullArtifact } from '../../node/artifacts/transfer.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { type Charter, decodeBundle } from '../../protocol/documents/index.ts';
import { atLeast, type Level, verifyBundle } from '../../protocol/trust/index.ts';
import type { Store } from '../../store/index.ts';

/** The project of a trial, as far as it is known. */
export interface TrialProject {
  project: string;
  charter: Pick<Charter, 'vcs' | 'bootstrap'>;
  controllers: PeerAddress[];
  bootstrap: string[];
  /** URLs at which the controller serves artifacts by HTTP. */
  feed: readonly string[];
  /** Around its `.quorate`, where it is a project of the person's own: its keys are here, and no commit brought them. */
  folder?: string;
}

/** An artifact to be unpacked at /build/in/<name>. */
export interface TrialInput {
  name: string;
  cid: string;
}

/** An artifact, or what is in a folder of this host, given by its absolute path. */
export type WantedInput = TrialInput | { name: string; folder: string };

export interface ProvidedInput extends TrialInput {
  from: 'folder' | 'store' | 'mesh';
  /** Level of its evidence; `none` if none is valid or was asked for. The bytes match the CID in any case, and only the sandbox uses them. */
  level: Level;
}

const { askMsMax, findMsMax, peersMax } = artifactLimits;

/** Copies a tree from a local store that is not in use. Returns false if none has it. */
async function fromStores(
  store: Store,
  cid: string,
  folders: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  for (const dir of folders) {
    const other = await openIdleStore(dir);
    if (other === undefined) continue;
    try {
      if (!(await other.has(cid, signal))) continue;
      const tar = other.exportTar(cid, { signal });
      if ((await store.importTar(tar, { into: store.public, signal })).root === cid) return true;
    } finally {
      await other.close();
    }
  }
  return false;
}

export const inNoStore = (cid: string): QuorateError =>
  new QuorateError('ARTIFACT_NOT_FOUND', `${cid} is in no readable store of this host`, {
    hint: 'To fetch it from peers, run this in the repository of a project, or join a project.',
  });

/** Opens a node of the mesh that serves nothing, to fetch artifacts of a project. */
export const openInputMesh = ({ bootstrap, controllers }: TrialProject): Promise<Mesh> =>
  openVisitor({ bootstrap: [...bootstrap, ...controllers.flatMap(({ addrs }) => addrs)] });

/** Fetches an artifact from providers, members, controllers. Returns the level of its evidence. @throws {QuorateError} ARTIFACT_NOT_FOUND */
export async function fromMesh(
  mesh: Mesh,
  store: Store,
  cid: string,
  { project, controllers }: TrialProject,
  signal: AbortSignal,
): Promise<Level> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(findMsMax)]);
  const peers = new Map(controllers.map((peer) => [peer.id, peer]));
  for (const key of [cid, projectRendezvous(project)]) {
    const found = await providersFound(mesh, key, { signal: limit, max: peersMax });
    signal.throwIfAborted();
    for (const peer of found) peers.set(peer.id, peer);
  }
  let level: Level = 'none';
  const reached: string[] = [];
  const ask = async (peer: PeerAddress): Promise<void> => {
    await connectTo(mesh, peer);
    reached.push(peer.id);
    const asked = AbortSignal.any([limit, AbortSignal.timeout(askMsMax)]);
    const text = await fetchBundle(mesh, peer, cid, asked);
    if (text === undefined) return;
    const found = await verifyBundle(decodeBundle(text), { project, artifact: cid }, joseVerifier);
    if (found.ok && atLeast(found.level, level)) level = found.level;
  };
  await Promise.allSettled([...peers.values()].slice(0, peersMax).map(ask));
  signal.throwIfAborted();
  if (reached.length === 0)
    throw new QuorateError('ARTIFACT_NOT_FOUND', `no peer of the project could be reached for ${cid}`, {
      hint: 'Check that the controller or a worker is running and reachable.',
    });
  let bytes = 0;
  const onProgress = (now: number) => {
    bytes = now;
  };
  await pullArtifact({ mesh, store }, cid, { from: reached, signal, onProgress }).catch((cause: unknown) => {
    signal.throwIfAborted();
    // The answers of all peers block by block are no help with a mistaken CID.
    const isAbsent = /^(TRANSFER_FAILED|STORE_PULL_BLOCK_MISSING)$/.test(String(codeOf(cause)));
    if (!isAbsent || bytes > 0 || level !== 'none') throw cause;
    const message = `no peer of the project that was asked (${reached.length}) has ${cid}`;
    throw new QuorateError('ARTIFACT_NOT_FOUND', message, {
      hint: 'Check the CID: quorate show <job> prints that of an artifact.',
      cause,
    });
  });
  return level;
}

/** Brings an input into the store. @throws {QuorateError} ARTIFACT_NOT_FOUND, `TRANSFER_…` */
export async function provideInput(
  input: WantedInput,
  from: {
    store: Store;
    mesh: Mesh | undefined;
    project: TrialProject | undefined;
    /** Folders of local stores that are searched first. */
    stores: readonly string[];
    signal: AbortSignal;
  },
): Promise<ProvidedInput> {
  const { store, mesh, project, stores, signal } = from;
  if ('folder' in input) {
    const { root } = await store.importDirectory(input.folder, { into: store.public, signal });
    return { name: input.name, cid: root, from: 'folder', level: 'none' };
  }
  if (await fromStores(store, input.cid, stores, signal)) return { ...input, from: 'store', level: 'none' };
  if (mesh === undefined || project === undefined) throw inNoStore(input.cid);
  return { ...input, from: 'mesh', level: await fromMesh(mesh, store, input.cid, project, signal) };
}
