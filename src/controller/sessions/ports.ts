import type { Enrol, Grant, Invite, Possession, Signer, Verified } from '../../protocol/documents/index.ts';
import type { Charging, Dial, Link, PeerAddress, Signing, Tell } from '../../protocol/sessions/ports.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import type { PeerVersion } from '../../protocol/wire/peer-version.ts';
import type { ControllerEffect, ControllerEvent } from '../machine/events.ts';
import type { Controller } from '../machine/machine.ts';
import type { LostEvidence } from './lost-bundles.ts';
import type { StartInquiry } from './start-inquiry.ts';

/** Bundles on disk, by run, job and artifact. */
export interface BundleStore {
  get(which: string): Promise<string | undefined>;
  /** Under these names; `job` and `artifact` are left alone where they are null. */
  put(keys: { run: string; job: string | null; artifact: string | null }, bundle: string): Promise<void>;
  /** No bundle proves the artifact any more. */
  drop(artifact: string): Promise<void>;
}

/** Log files of builds, one per lease. */
export interface LogFiles {
  /** Appends to the log of a lease, which is emptied first. `end` resolves once everything is written. */
  create(lease: string): Promise<{ write(text: string): void; end(): Promise<void> }>;
  /** The text in pieces; nothing where there is no log. */
  read(lease: string): AsyncIterable<string>;
  /** Keeps what a worker says of the times of its lines; the last counts. */
  keepTimes(lease: string, times: string): Promise<void>;
  /** Undefined where none are kept. */
  times(lease: string): Promise<string | undefined>;
}

/** The last checkpoint that was put before witnesses. */
interface CheckpointFile {
  /** Undefined where there is none. @throws `HOME_UNREADABLE`. */
  load(): Promise<string | undefined>;
  /** Replaces it; resolves when it is on disk. @throws `HOME_UNWRITABLE`. */
  save(note: string): Promise<void>;
}

/** A witness that is no member (C2SP tlog-witness). */
export interface ExternalWitness {
  readonly name: string;
  /** Asks for its verified lines. `prove`: consistency with an earlier size that it names. Rejects after `timeoutMs`. */
  ask(asked: {
    note: string;
    size: number;
    prove: (old: number) => string[];
    timeoutMs: number;
  }): Promise<readonly string[]>;
}

/** A grant as the machine would give it, and what the member sent. */
export interface GrantAsked {
  grant: Grant;
  enrol: Verified<Enrol>;
  /** Absent where a member renews. */
  invite?: Verified<Invite>;
  possession?: Verified<Possession>;
  /** With an invite: the size of the log when the key joined. */
  at?: number;
}

/** Signs grants: a key at hand, or the identity provider's process. */
export interface Grants {
  /** @throws `IDP_…`, and those with which the identity provider refuses. */
  sign(asked: GrantAsked): Promise<Verified<Grant>>;
}

/** A tree that a publisher offers. */
export interface BroughtTree {
  tree: string;
  /** The process that has it. */
  from: Link;
  operator: string;
  /** Called about once a second, also while nothing arrives. `total` is what the tree states. */
  onProgress(bytes: number, total: number | undefined): void;
}

/** The artifact stores of a controller that keeps no bytes. */
export interface StorePorts {
  readonly dial: Dial;
  addressOf(store: string): PeerAddress;
  /** Addresses of a worker, or of a store, as far as they are known; never fails. */
  findPeer(peer: string): Promise<PeerAddress>;
  /** The largest that an artifact of a run can be, in bytes. */
  boundOf(run: string, artifact: string): number;
  /** Fetches blocks from the root of a tree to a leaf drawn by chance, and keeps none. @throws `TRANSFER_…`. */
  probe(store: PeerAddress, artifact: string): Promise<void>;
}

/** Everything outside of the sessions of a controller. */
export interface ControllerPorts extends Charging {
  readonly project: string;
  readonly signing: Signing;
  /** Version and readable documents, as stated to peers. */
  readonly version: PeerVersion;
  /** As the keys that this controller had before. */
  readonly retired: readonly Signer[];
  readonly grants: Grants;
  readonly machine: Controller;
  /** Asks the members at the start. */
  readonly inquiry: StartInquiry;
  /** As `Loop.dispatch`. */
  dispatch(event: ControllerEvent): Promise<void>;
  publish(topic: string, message: Uint8Array): Promise<void>;
  readonly bundles: BundleStore;
  readonly lost: LostEvidence;
  readonly checkpointFile: CheckpointFile;
  /** Evidence that others brought against the log of this controller. */
  readonly logEvidence: RevocationBook;
  /** Those that the charter in force names. */
  externalWitnesses(): readonly ExternalWitness[];
  readonly logFiles: LogFiles;
  /** Resolves when workers can get this image here. @throws `IMAGE_…`. */
  needImage(image: string): Promise<void>;
  /** Whether workers can get the dependencies of a job here now. Throws `DEPENDENCIES_UNKNOWN`. */
  needDependencies(tree: string): void;
  /** Fetches a tree from a publisher and keeps it. @throws `DEPENDENCIES_…`, `STORE_DISK_FULL`. */
  bringDependencies(brought: BroughtTree): Promise<void>;
  /** Takes the owner's charter where it is newer than the one in force. @throws `CHARTER_…`, `HOME_…`. */
  refreshCharter(): Promise<void>;
  /** Absent where the controller keeps artifacts itself. */
  readonly stores?: StorePorts;
  /** Fetches and pins an artifact, then dispatches `pinned`. Of a controller that keeps artifacts itself. */
  pin(effect: Extract<ControllerEffect, { kind: 'pin' }>): void;
  /** Fetches logs and dissenting trees, as far as they can be had. */
  keep(effect: Extract<ControllerEffect, { kind: 'keep' }>): void;
  announce(artifact: string): Promise<void>;
  /** URLs of this controller's HTTP feed; empty where it has none. */
  feedUrls(): readonly string[];
  tell: Tell;
}
