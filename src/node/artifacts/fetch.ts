import { rm } from 'node:fs/promises';
import { joseVerifier } from '../../identity/verifier.ts';
import { type Mesh, type PeerAddress, projectRendezvous } from '../../mesh/index.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { counted } from '../../protocol/base/quantity.ts';
import type { NamedRecipe } from '../../protocol/base/recipe-name.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import { type Bundle, decodeBundle, decodeJob, openMessage } from '../../protocol/documents/index.ts';
import { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import { checkAge, type Verification, verifyBundle } from '../../protocol/trust/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { makeScratch } from '../scratch.ts';
import { fetchBundle } from './bundles.ts';
import { fetchIndex } from './dependency-index.ts';
import { artifactLimits } from './limits.ts';
import { movedControllers, openVisitor, peersOf, waitOrSearch } from './moved-controllers.ts';
import { learnRevocations } from './revocations.ts';
import { pullArtifact } from './transfer.ts';

export interface FetchProgress {
  phase: 'looking' | 'proving' | 'fetching' | 'writing';
  says: string;
  bytes?: number;
  /** Size as stated in the artifact: unverified, for display only. */
  total?: number;
}

/** Where evidence is looked for, and what it has to say. */
export interface FindOptions {
  /** PeerId of the project's root key, the only trust anchor. */
  project: string;
  bootstrap: string[];
  /** Known controllers, asked for the bundle too. Optional. */
  controllers?: PeerAddress[];
  /** Where peers of earlier connections are remembered. */
  peersFile?: string;
  source?: string;
  ref?: string;
  /** The job file that is accepted, as `verify` takes it. */
  recipe?: NamedRecipe;
  /** Revocations that are known; those that peers tell are added. By default only the latter. */
  revocations?: RevocationBook;
  /** Largest age of the verdict, in seconds. */
  maxAge?: number;
  signal: AbortSignal;
  onProgress(progress: FetchProgress): void;
  /** Called with what the evidence proves, before any file is fetched. @throws when it is not wanted */
  accept?(verification: Verification): void;
}

export interface FetchOptions extends FindOptions {
  artifact: string;
  /** The run whose own evidence has to prove it. Absent: the evidence of any run. */
  run?: string;
  dest: string;
  /** Also fetches the index of dependencies of a job that has lock files. */
  withIndex?: boolean;
}

export interface Fetched {
  verification: Verification;
  bundle: Bundle;
  bundleText: string;
  /** Of the blocks that were fetched. */
  bytes: number;
  /** Of the files that were written: equal ones are fetched once. */
  written: number;
  /** PeerIds that the bytes were requested from. */
  providers: string[];
  /** Whether one of them is a controller of the project. */
  controllerUsed: boolean;
  /** The index of the dependencies as a file, with what shows that the job names it; undefined of a job without any, or not asked for. */
  index: Uint8Array | undefined;
}

/** NOT_TRUSTED: verification failed or the level is too low. ARTIFACT_OF_TEST: a test put it out. */
export class NotTrusted extends QuorateError {
  readonly verification: Verification;

  constructor(artifact: string, verification: Verification) {
    const failed = verification.steps.find(({ ok }) => !ok);
    const why =
      failed === undefined ? `its level is "${verification.level}"` : `${failed.code ?? ''}: ${failed.says}`;
    const other = ['RECIPE_MISMATCH', 'REF_MISMATCH', 'SOURCE_MISMATCH'].includes(verification.code ?? '');
    const not = other
      ? 'is not what was asked for'
      : isRevocation(verification.code)
        ? 'is trusted no more'
        : 'is not trusted';
    const ofTest = verification.code === 'ARTIFACT_OF_TEST';
    super(ofTest ? 'ARTIFACT_OF_TEST' : 'NOT_TRUSTED', ofTest ? why : `${artifact} ${not}: ${why}`, {
      hint: hintFor(verification),
    });
    this.verification = verification;
  }
}

const isRevocation = (code: string | null): boolean => code?.endsWith('_REVOKED') === true;

function hintFor({ level, code }: Verification): string {
  if (isRevocation(code))
    return 'Do not use it, nor copies of it. Ask the owner of the project for another build.';
  if (code === 'ARTIFACT_OF_TEST')
    return 'Fetch what the job that builds it made: quorate jobs lists the artifacts. As reports of the test: quorate fetch --reports';
  if (level === 'agreed') return 'The trusted worker has not confirmed it yet; try again when it has.';
  if (code === 'REF_MISMATCH')
    return 'It may be genuine and old. quorate jobs lists what was built at the ref you mean.';
  if (code === 'RECIPE_MISMATCH')
    return 'Read that job file at that commit. Where you accept it: --recipe REPO@COMMIT:PATH';
  if (code === 'SOURCE_MISMATCH')
    return 'The artifact may come from another repository of the project. quorate jobs lists what was built.';
  return 'Do not use it. "quorate show <job>" tells who built what.';
}

const { askMsMax, findMsMax, lookupsMax, peersMax } = artifactLimits;

/**
 * Fetches an artifact by CID: finds providers, gets the bundle, verifies it against the root key, then fetches the blocks from workers
 * before controllers. `dest` is written only when all is verified. @throws NOT_TRUSTED and ARTIFACT_OF_TEST (a `NotTrusted`),
 * ARTIFACT_NOT_FOUND, STORE_…, MESH_…, with `withIndex` as `fetchIndex`
 */
export function fetchArtifact(options: FetchOptions): Promise<Fetched> {
  const { artifact, run = artifact, dest, signal, onProgress } = options;
  return withEvidence(run, artifact, options, async (found, mesh, store) => {
    const { bundle, verification } = found;
    if (!verification.ok || verification.level !== 'trusted') throw new NotTrusted(artifact, verification);
    options.accept?.(verification);
    const charter = (await openMessage('charter', bundle.charter, joseVerifier)).payload;
    const volunteers = found.peers.filter(({ id }) => !charter.controllers.includes(id));
    const controllers = found.peers.filter(({ id }) => charter.controllers.includes(id));
    const providers = await connectReachable(mesh, volunteers.length > 0 ? volunteers : controllers);
    const pulled = await pull(options, mesh, store, providers, volunteers.length > 0 ? controllers : []);
    const { dependencies } = decodeJob(toUtf8(bundle.job)).job;
    const index =
      dependencies === undefined || options.withIndex !== true
        ? undefined
        : await fetchIndex({ mesh, store }, dependencies.tree, {
            from: await connectReachable(mesh, found.peers),
            signal,
          });
    onProgress({ phase: 'writing', says: `writing to ${dest}` });
    await store.exportDirectory(artifact, dest, { signal });
    const written = await sizeOfFiles(store, artifact, signal);
    return {
      verification,
      bundle,
      bundleText: found.text,
      bytes: pulled.bytes,
      written,
      providers: pulled.from,
      controllerUsed: pulled.from.some((id) => charter.controllers.includes(id)),
      index: index?.car,
    };
  });
}

/**
 * Joins the mesh with a temporary store, and finds and verifies the bundle of a run, job or artifact; one about `artifact`, where that is
 * given.
 */
export async function withEvidence<T>(
  which: string,
  artifact: string | undefined,
  options: FindOptions,
  use: (found: Found, mesh: Mesh, store: Store) => Promise<T>,
): Promise<T> {
  const { bootstrap, onProgress, peersFile, project } = options;
  const scratch = await makeScratch('fetch');
  const closers: (() => Promise<unknown>)[] = [() => rm(scratch, { recursive: true, force: true })];
  try {
    const mesh = await openVisitor({ bootstrap, peersFile });
    closers.push(() => mesh.close());
    const store = await openStore({ dir: scratch, libp2p: mesh.libp2p });
    closers.push(() => store.close());
    const book = options.revocations ?? (await RevocationBook.open(project, joseVerifier));
    const found = await findBundle(mesh, which, artifact, options, book);
    const says = `found at ${counted(found.peers.length, 'peer')}; checking the proof`;
    onProgress({ phase: 'proving', says });
    return await use(found, mesh, store);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

export async function sizeOfFiles(store: Store, root: string, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  for await (const { kind, size } of store.list(root, { signal })) if (kind === 'file') bytes += size;
  return bytes;
}

async function pull(
  { artifact, signal, onProgress }: FetchOptions,
  mesh: Mesh,
  store: Awaited<ReturnType<typeof openStore>>,
  providers: string[],
  reserve: PeerAddress[],
): Promise<{ bytes: number; from: string[] }> {
  const attempt = async (from: string[]) => {
    const { bytes } = await pullArtifact({ mesh, store }, artifact, {
      from,
      signal,
      onProgress: (done, total) =>
        onProgress({
          phase: 'fetching',
          says: `fetching from ${counted(from.length, 'peer')}`,
          bytes: done,
          total,
        }),
    });
    return { bytes, from };
  };
  try {
    if (providers.length === 0)
      throw new QuorateError('ARTIFACT_NOT_FOUND', 'no provider of the artifact could be reached', {
        hint: 'Try again later, or from a network that reaches them.',
      });
    return await attempt(providers);
  } catch (error) {
    signal.throwIfAborted();
    const more = await connectReachable(mesh, reserve);
    if (more.length === 0) throw error;
    onProgress({ phase: 'fetching', says: `asking the controller too: ${messageOf(error)}` });
    return attempt(more);
  }
}

/** Connects to up to `peersMax` peers. Returns those that could be reached. */
export async function connectReachable(mesh: Mesh, peers: PeerAddress[]): Promise<string[]> {
  const tried = await Promise.allSettled(peers.slice(0, peersMax).map((peer) => connectTo(mesh, peer)));
  return tried.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

export async function connectTo(mesh: Mesh, { id, addrs }: PeerAddress): Promise<string> {
  // A relay's address ends in the relay's id, without the peer's.
  const whole = addrs.map((addr) => (addr.endsWith(`/p2p/${id}`) ? addr : `${addr}/p2p/${id}`));
  if (!mesh.connected().includes(id)) await mesh.connect(whole);
  return id;
}

/** A bundle that was found and verified; `peers` have it. */
export interface Found {
  peers: PeerAddress[];
  bundle: Bundle;
  text: string;
  verification: Verification;
}

/** Requests the bundle from controllers, from providers of the artifact, then from members of the project. The best verification wins. */
async function findBundle(
  mesh: Mesh,
  which: string,
  artifact: string | undefined,
  options: FindOptions,
  book: RevocationBook,
): Promise<Found> {
  const { project, source, ref, recipe, maxAge, signal, onProgress } = options;
  const looking = (whom: string) => onProgress({ phase: 'looking', says: `looking for ${which}${whom}` });
  looking('');
  const limit = AbortSignal.any([signal, AbortSignal.timeout(findMsMax)]);
  const peers = new Map<string, PeerAddress>();
  let best: Omit<Found, 'peers'> | undefined;
  const consider = async (peer: PeerAddress) => {
    const soon = () => AbortSignal.any([limit, AbortSignal.timeout(askMsMax)]);
    const text = await fetchBundle(mesh, peer, which, soon());
    await learnRevocations(mesh, peer, book, soon()).catch(() => {});
    if (text === undefined) return;
    peers.set(peer.id, peer);
    const bundle = decodeBundle(text);
    const verification = await check(bundle);
    if (best === undefined || rank(verification) > rank(best.verification))
      best = { bundle, text, verification };
  };
  const check = async (bundle: Bundle): Promise<Verification> => {
    const expected = { project, artifact, revocations: book.revoked, source, ref, recipe };
    const verification = await verifyBundle(bundle, expected, joseVerifier);
    return maxAge === undefined || verification.facts === null
      ? verification
      : checkAge(verification, { now: Date.now(), maxAgeSeconds: maxAge });
  };
  const known = [...(options.controllers ?? []), ...peersOf(options.bootstrap)];
  if (mesh.connected().length === 0)
    looking(`: waiting for ${counted(known.length, 'peer')} whose address is known`);
  for (const controller of await waitOrSearch(mesh, project, known, limit))
    await consider(controller).catch(() => {});
  const isSettled = () => ['trusted', 'failed'].includes(best?.verification.level ?? '');
  const keys = artifact === undefined ? [] : [artifact];
  for (const key of [...keys, projectRendezvous(project)]) {
    if (isSettled()) break;
    looking(key === artifact ? ': asking peers that serve it' : ': asking members of the project');
    for (let looked = 0; looked < lookupsMax && !limit.aborted && !isSettled(); looked++) {
      const asked: Promise<void>[] = [];
      try {
        for await (const peer of mesh.findProviders(key, { signal: limit, max: peersMax }))
          asked.push(consider(peer).catch(() => {}));
      } catch {
        // Its time is up, or nobody could be asked: the next look may find some.
      }
      await Promise.all(asked);
      if (!isSettled()) await new Promise((resolve) => setTimeout(resolve, artifactLimits.againMs));
    }
  }
  const missing: PeerAddress[] = [];
  for (const controller of options.controllers ?? [])
    if (!peers.has(controller.id)) await consider(controller).catch(() => missing.push(controller));
  if (best === undefined)
    // Where the time is up nobody has moved, as far as is known.
    for (const controller of await movedControllers(mesh, project, missing, limit).catch(() => []))
      await consider(controller).catch(() => {});
  signal.throwIfAborted();
  const addresses = [...options.bootstrap, ...(options.controllers ?? []).flatMap(({ addrs }) => addrs)];
  if (best === undefined && mesh.connected().length === 0)
    throw new QuorateError('ARTIFACT_NOT_FOUND', `no peer could be reached to ask for ${which}`, {
      hint: `Tried: ${addresses.join(', ') || 'no address'}. Is one of them up, and reachable from here? Any other node that has it will do: --bootstrap <address>`,
    });
  if (best === undefined)
    throw new QuorateError('ARTIFACT_NOT_FOUND', `no peer of the mesh has a bundle for ${which}`, {
      hint: 'Check the CID and the bootstrap address; an artifact has a bundle as soon as its job has a verdict.',
    });
  // Those who were asked after it may have told of a revocation.
  return { ...best, verification: await check(best.bundle), peers: [...peers.values()] };
}

function rank({ ok, level }: Verification): number {
  return !ok ? 0 : level === 'trusted' ? 3 : level === 'agreed' ? 2 : 1;
}
