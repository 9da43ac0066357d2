import type { Clock } from '../../protocol/sessions/ports.ts';
import type { RunSource, RunVerifier } from '../../protocol/sessions/run-verifier.ts';
import type { SeenPulls, SeenRef } from '../machine/changes.ts';
import type { PublishedRun, PublishOrder, WatchEvent } from '../machine/events.ts';
import type { WatchMachine } from '../machine/machine.ts';
import type { WatchSettings } from '../machine/rules.ts';
import type { Status } from '../machine/status.ts';
import type { RunLists } from './run-states.ts';

/** A forge, as the watcher uses it. @throws `FORGE_…`. */
export interface WatchedForge {
  /** Pattern of the refs that pull requests have on its git server, with `*` for the number. */
  readonly pullRefs: string;
  setStatus(status: Status & { commit: string; context: string }): Promise<void>;
  /** The newest that are open and, of a longer list, those from the page `from` on. `next`: the page with which to go on. */
  openPulls(from?: number): Promise<SeenPulls & { next: number }>;
  isOpen(pull: number): Promise<boolean>;
}

/** A client of the project with the key of a publisher. @throws those of `Client`. */
export interface WatchClient extends RunLists {
  readonly source: RunSource;
  cancel(run: string, reason: string): Promise<unknown>;
}

export type Outcome = { kind: 'published'; runs: PublishedRun[] } | { kind: 'unaffected'; says: string };

export type WatchNotice =
  | WatchEvent
  | { kind: 'looked'; refs: number; pulls: number }
  | { kind: 'look-failed'; what: 'repository' | 'forge' | 'controller'; code: string; message: string };

export interface WatchPorts<C extends WatchClient = WatchClient> {
  clock: Clock;
  /** Its state is read here; it changes by `dispatch` alone. */
  machine: WatchMachine;
  /** Gives the machine an event; resolves once its effects were begun. Rejects with why the watcher cannot go on. */
  dispatch(event: WatchEvent): Promise<void>;
  /** Puts the state in the place of a journal that is longer than it may be. */
  compact(): void;
  settings: WatchSettings;
  pollMs: number;
  /** Refs of the repository that match these patterns. @throws `SOURCE_…`, `SANDBOX_…`. */
  refs(patterns: readonly string[]): Promise<ReadonlyMap<string, SeenRef>>;
  /** Absent: statuses are told to nobody. */
  forge?: WatchedForge | undefined;
  connection: { use<T>(act: (client: C) => Promise<T>): Promise<T> };
  /** Publishes the pipeline of a commit. The same order comes to the same runs. */
  publish(client: C, order: PublishOrder): Promise<Outcome>;
  verifier: RunVerifier;
  onEvent(notice: WatchNotice): void;
  /** A mistake of ours, or this host's disk: the watcher has to end. */
  onFailure(error: unknown): void;
}
