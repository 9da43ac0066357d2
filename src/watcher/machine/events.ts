import type { WatchSettings } from './rules.ts';
import type { Proof, RunStand, Status } from './status.ts';

export interface PublishedRun {
  name: string;
  run: string;
}

/** A pull request as the forge tells of it. `commit` is what the git server has at its ref. */
export interface PullSeen {
  pull: number;
  ref: string;
  commit: string;
  /** Branch that it is to be merged into; absent where the forge does not say. */
  base?: string | undefined;
  title: string;
  author: string;
  /** Commits that labels approve. */
  approved: readonly string[];
}

/** A `WatchState` as JSON: a map is an object with the only member `map`, its entries. */
export type KeptState = { readonly [member: string]: unknown };

/** `at` of each event is in ms since the epoch. Events of forge and git server hold changes only (`changes.ts`). */
export type WatchEvent =
  /** The state after all earlier events (`keptState`), which it replaces in the journal. */
  | { kind: 'state'; state: KeptState }
  | { kind: 'configured'; settings: WatchSettings }
  /** A life begins: effects that are outstanding are given again. Absent in journals of before. */
  | { kind: 'started' }
  /** `commit` null: it is gone. `object` as in `ListedRef`. `first`: what was there when watching began; nothing of it is published. */
  | { kind: 'refs'; first: boolean; changed: { ref: string; commit: string | null; object: string }[] }
  | { kind: 'pull'; seen: PullSeen }
  | { kind: 'pull-closed'; pull: number }
  /** `by` says who, for people. */
  | { kind: 'decided'; pull: number; commit: string; verdict: 'approved' | 'denied'; by: string }
  /** Somebody wants a pipeline published again: with `rebuild` all of its jobs, else those that have no trusted result. */
  | { kind: 'again'; id: string; rebuild: boolean; by: string }
  /** A refused webhook is no event. `digest`: of what the webhook's signature covers. */
  | { kind: 'webhook'; delivery: string; digest: string }
  | { kind: 'published'; id: string; runs: PublishedRun[] }
  /** No path that its rule is about has changed, or no job is left. */
  | { kind: 'unaffected'; id: string; says: string }
  | { kind: 'refused'; id: string; code: string; message: string; again: boolean }
  | { kind: 'stands'; stands: RunStand[] }
  | { kind: 'proof'; run: string; proof: Proof }
  | { kind: 'cancelled'; id: string }
  | { kind: 'cancel-failed'; id: string }
  | { kind: 'status-set'; key: string; status: Status }
  /** `again`: the forge may take it later. */
  | { kind: 'status-failed'; key: string; message: string; again: boolean }
  | { kind: 'tick' };

export type WatchEffect =
  /** This event changed something, and is in the journal. */
  | { kind: 'taken'; event: WatchEvent }
  /** Publish the pipeline of a commit; answer with `published`, `unaffected` or `refused`. Repeated, it comes to the same runs. */
  | { kind: 'publish'; order: PublishOrder }
  /** End these runs; answer with `cancelled` or `cancel-failed`. */
  | { kind: 'cancel'; id: string; runs: string[]; reason: string }
  /** Tell the forge; answer with `status-set` or `status-failed`. */
  | { kind: 'status'; key: string; commit: string; context: string; pull: number | null; status: Status }
  | { kind: 'poll' };

export interface PublishOrder {
  id: string;
  /** When it was ordered, in milliseconds since the epoch. */
  at: number;
  ref: string;
  commit: string;
  /** For a tag: what it names. */
  object: string;
  /** Commit that `changed` and `paths` compare with; null: all counts as changed. */
  base: string | null;
  paths: readonly string[];
  job: string | null;
  rebuild: boolean;
  /** Of a stranger: under the charter's floor, whatever its job file says. */
  floor: boolean;
  /** As in the settings when it was ordered: the same order makes the same requests. */
  words?: { subject: boolean } | undefined;
}
