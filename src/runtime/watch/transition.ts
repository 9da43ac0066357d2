import type { WatchEffect } from './events.ts';
import { watchLimits } from './limits.ts';
import { isOver, type WatchState } from './state.ts';

/** One call of `handle`. */
export interface Transition {
  state: WatchState;
  /** Milliseconds since the epoch. */
  now: number;
  effects: WatchEffect[];
  /** The event belongs in the journal. */
  changed: boolean;
}

/** When something is tried again after so many tries. */
export const retryAfter = (tries: number): number =>
  Math.min(watchLimits.retryMs * 2 ** Math.min(tries - 1, 20), watchLimits.retryMsMax);

/** Gives the effects that are due, as many at the same time as the limits allow. */
export function outstanding({ state, now, effects }: Transition): void {
  if (state.settings === null) return;
  const due = ({ busy, retryAt }: { busy: boolean; retryAt: number | null }) =>
    !busy && (retryAt === null || retryAt <= now);
  let publishing = [...state.publications.values()].filter(
    ({ busy, phase }) => busy && phase === 'ordered',
  ).length;
  for (const [id, publication] of state.publications) {
    if (!due(publication)) continue;
    const { phase, order, runs, stands, stopped } = publication;
    if (phase === 'ordered' && publishing < watchLimits.publishingAtOnceMax) {
      publishing++;
      publication.busy = true;
      effects.push({ kind: 'publish', order });
    } else if (phase === 'published' && stopped !== null) {
      publication.busy = true;
      const open = runs.filter(({ run }) => !isOver(stands.get(run))).map(({ run }) => run);
      // Each before what it rests on, so that each ends with this reason.
      effects.push({ kind: 'cancel', id, runs: open.reverse(), reason: stopped });
    }
  }
  let telling = [...state.statuses.values()].filter(({ busy }) => busy).length;
  for (const [key, status] of state.statuses) {
    if (telling >= watchLimits.statusesAtOnceMax) return;
    if (!due(status) || status.told === status.wanted || status.failed !== null) continue;
    telling++;
    status.busy = true;
    const { commit, context, pull, wanted } = status;
    effects.push({ kind: 'status', key, commit, context, pull, status: wanted });
  }
}
