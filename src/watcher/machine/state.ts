import { accountOf } from '../../protocol/account/index.ts';
import type { KeptState, PublishedRun, PublishOrder, PullSeen } from './events.ts';
import type { WatchSettings } from './rules.ts';
import {
  isSame,
  type Known,
  type Proof,
  type RunStand,
  type Status,
  statusOfAll,
  statusOfRun,
} from './status.ts';

export type Cause =
  | { kind: 'push'; rule: string }
  | { kind: 'cron'; rule: string }
  | { kind: 'pull'; pull: number; by: string };

/** A pipeline of one commit that was ordered, with what came of it. */
export interface Publication {
  order: PublishOrder;
  cause: Cause;
  /** Of the pull request; null for a branch or tag. */
  author: string | null;
  /** `published`: its runs are known. `ended`: they are over, or nothing was published. */
  phase: 'ordered' | 'published' | 'ended';
  runs: PublishedRun[];
  /** By run: what the controller says. */
  stands: Map<string, RunStand>;
  /** By run: the result of verifying its evidence here. */
  proofs: Map<string, Proof>;
  /** Why it is to end without a verdict; null while it goes on. */
  stopped: string | null;
  /** Why nothing was published. */
  refused: string | null;
  /** No status is set: nothing that it is about has changed. */
  unaffected: boolean;
  tries: number;
  /** When it is tried again; null: at once. */
  retryAt: number | null;
  /** An effect of it is being carried out. */
  busy: boolean;
}

export interface Pull extends PullSeen {
  decision: { verdict: 'approved' | 'denied'; by: string } | null;
  since: number;
  /** Its pipeline was ordered; one that is approved and was not waits for its turn. */
  ordered: boolean;
}

/** The status that a forge is to show, and the one it was told last. */
interface WantedStatus {
  commit: string;
  context: string;
  pull: number | null;
  /** Of the pull request; null for a branch or tag. */
  author: string | null;
  /** When what it tells of was ordered: nothing older overwrites it. */
  at: number;
  wanted: Status;
  told: Status | null;
  tries: number;
  retryAt: number | null;
  busy: boolean;
  /** The forge does not take it. */
  failed: string | null;
}

export type WatchState = ReturnType<typeof newState>;

export const newState = () => ({
  settings: null as WatchSettings | null,
  /** The repository was looked at. */
  watching: false,
  tips: new Map<string, { commit: string; object: string }>(),
  /** By ref: the last commit whose publication came to agreement, which the next is compared with. */
  baselines: new Map<string, string>(),
  /** In the order of their publication. */
  publications: new Map<string, Publication>(),
  pulls: new Map<number, Pull>(),
  /** By commit and context. */
  statuses: new Map<string, WantedStatus>(),
  /** Ids and digests of webhooks, with when they came. */
  deliveries: new Map<string, number>(),
  /** By rule: its times, and when they were looked at last. */
  cron: new Map<string, { times: string; at: number }>(),
});

export const keptState = (state: WatchState): KeptState =>
  JSON.parse(JSON.stringify(state, (_, value) => (value instanceof Map ? { map: [...value] } : value)));

/** The same again. What was told and is wanted still is one object, as `statusSet` leaves it. */
export function stateOf(kept: KeptState): WatchState {
  const state: WatchState = JSON.parse(JSON.stringify(kept), (_, value) =>
    Array.isArray(value?.map) ? new Map(value.map) : value,
  );
  for (const status of state.statuses.values())
    if (status.told !== null && isSame(status.told, status.wanted)) status.told = status.wanted;
  return state;
}

export const knownOf = ({ runs, stands, proofs }: Publication): Known[] =>
  runs.map(({ run }) => ({ stand: stands.get(run), proof: proofs.get(run) }));

export const jobStatuses = (of: Publication): Map<string, Status> =>
  new Map(knownOf(of).map((known, at) => [of.runs[at]?.name ?? '', statusOfRun(known)]));

export function wholeStatus(of: Publication): Status {
  if (of.refused !== null) return { state: 'error', says: of.refused };
  if (of.stopped !== null) return { state: 'error', says: of.stopped };
  if (of.phase === 'ordered') return { state: 'pending', says: 'ordered' };
  return statusOfAll(knownOf(of));
}

/** Whether nothing more comes of a run, but a revocation. */
export const isOver = (stand: RunStand | undefined): boolean => stand !== undefined && accountOf(stand).over;

/** The newest publication of a branch or tag that was not superseded; undefined where there is none. */
export function latestOf({ publications }: WatchState, ref: string): Publication | undefined {
  const found = [...publications.values()]
    .reverse()
    .filter(
      ({ order, cause, stopped, unaffected }) =>
        order.ref === ref && cause.kind !== 'pull' && stopped === null && !unaffected,
    );
  return found.find((one) => timedPart(one) === undefined) ?? found[0];
}

/** The rule of a publication at its times of one job only, which says nothing of the others. */
function timedPart({ order, cause }: Publication): string | undefined {
  return cause.kind === 'cron' && order.job !== null ? cause.rule : undefined;
}

/** Begins the names of a publication's statuses. A name of a ref has no colon, so these differ from each other. */
export function contextOf({ context }: WatchSettings, publication: Publication): string {
  const { order, cause } = publication;
  if (cause.kind === 'pull') return pullContext(context);
  const { ref } = order;
  const rule = timedPart(publication);
  if (rule !== undefined) return `${context}:cron/${rule}/${ref.replace(/^refs\/heads\//, '')}`;
  return ref.startsWith('refs/tags/')
    ? `${context}:tag/${ref.slice('refs/tags/'.length)}`
    : `${context}/${ref.replace(/^refs\/heads\//, '')}`;
}

export const pullContext = (context: string): string => `${context}:pull`;
