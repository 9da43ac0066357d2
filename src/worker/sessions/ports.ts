import type { Job } from '../../protocol/documents/index.ts';
import type { Credentials } from '../../protocol/sessions/credentials.ts';
import type {
  Accepts,
  Clock,
  Dial,
  LeafFile,
  PeerAddress,
  Signing,
  Tell,
} from '../../protocol/sessions/ports.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import type { PeerVersion } from '../../protocol/wire/peer-version.ts';
import type { BuildResult, Lending, Reads, WorkerEvent } from '../machine/events.ts';
import type { Worker } from '../machine/machine.ts';
import type { WitnessFile } from './checkpoint-book.ts';

/** Results of builds, in the worker's store. */
interface ResultStore {
  /** Makes the sealed results of a lease public. May be repeated after a crash. */
  publish(lease: string): Promise<void>;
  /** Keeps public trees. @throws `STORE_BLOCK_MISSING` where one is not there any more. */
  pin(roots: readonly string[]): Promise<void>;
  /** Removes the sealed results of a lease. */
  discard(lease: string): Promise<void>;
  /** Removes the sealed results of all leases but these. */
  retain(leases: readonly string[]): Promise<void>;
  has(artifact: string): Promise<boolean>;
}

/** Bundles that a worker serves beside its artifacts. */
interface ServedBundles {
  get(which: string): Promise<string | undefined>;
  put(keys: { run: string; job: string; artifact: string | null }, bundle: string): Promise<void>;
  artifacts(): Promise<string[]>;
}

/** An HTTP GET of the controller's feed. @throws `HTTP_FEED_FAILED`. */
type HttpGet = (
  url: string,
  options: { etag: string | undefined; maxBytes: number; timeoutMs: number },
) => Promise<'unchanged' | { text: string; etag: string | undefined }>;

/** Everything outside of the sessions of a worker. */
export interface WorkerPorts {
  readonly signing: Signing;
  /** Version and readable documents, as stated to peers. */
  readonly version: PeerVersion;
  readonly clock: Clock;
  readonly dial: Dial;
  readonly credentials: Credentials;
  readonly machine: Worker;
  /** As `Loop.dispatch`. */
  dispatch(event: WorkerEvent): Promise<void>;
  /** Hears a gossip topic. A message that `accepts` refuses is neither handled nor passed on. */
  subscribe(topic: string, accepts: Accepts, handle: (data: Uint8Array) => void): void;
  publish(topic: string, message: Uint8Array): Promise<void>;
  /** PeerIds of connected peers. */
  neighbours(): readonly string[];
  /** Addresses of a peer, from the DHT; none where it is not found. */
  findPeer(id: string, timeoutMs: number): Promise<string[]>;
  /** Peers that say they belong to the project, from the DHT; none where nobody is found. */
  findMembers(timeoutMs: number): Promise<PeerAddress[]>;
  announce(artifact: string): Promise<void>;
  readonly httpGet: HttpGet;
  /** Resources that the host lends; its capabilities are said in the hello of the feed. */
  readonly lending: Lending;
  /** Builds into the sealed results of a lease, once its inputs were checked; undefined when the build was stopped. */
  build(lease: string, job: Job, ref: string, reads: Reads): Promise<BuildResult | undefined>;
  stopBuild(lease: string): void;
  /** Times of the lines of its log, for people, as far as they fit beside a message of so many bytes with its receipt; undefined where none are kept. */
  logTimes(lease: string, messageBytes: number): string | undefined;
  readonly results: ResultStore;
  readonly bundles: ServedBundles;
  readonly leafFile: LeafFile;
  readonly witnessFile: WitnessFile;
  readonly revocations: RevocationBook;
  tell: Tell;
}
