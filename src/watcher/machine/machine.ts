import type { Handled } from '../../protocol/base/durability.ts';
import { unreachable } from '../../protocol/base/errors.ts';
import type { Machine } from '../../protocol/sessions/loop.ts';
import { again } from './again.ts';
import type { WatchEffect, WatchEvent } from './events.ts';
import { watchLimits } from './limits.ts';
import {
  cancelFailed,
  cancelled,
  nextTimes,
  orderPush,
  proven,
  published,
  refused,
  schedule,
  stands,
  unaffected,
} from './publications.ts';
import { closePull, decide, orderPulls, pullSeen } from './pulls.ts';
import { newState, stateOf, type WatchState } from './state.ts';
import { statusFailed, statusSet } from './statuses.ts';
import { outstanding, type Transition, Turns } from './transition.ts';

/**
 * The watcher as a state machine: what to publish, to cancel, and to tell the forge. `configured` and `started` open each life; `started`
 * returns what is outstanding. `refs`, `pull`, `pull-closed`, `decided` and `webhook` are seen, the others answer effects, `tick` lets time pass.
 * An event that changed something or has effects is in the journal, so that a replay comes to the same.
 */
export class WatchMachine implements Machine<WatchEvent, WatchEffect> {
  static readonly rules = 3;
  readonly state: WatchState = newState();
  /** Round-robin of effects among authors; begins anew at each start and at a compaction, with what is outstanding. */
  #turns = newTurns();
  #now = 0;

  handle(event: WatchEvent, now: number, rules?: number): Handled<WatchEffect> {
    const transition: Transition = { state: this.state, now, effects: [], changed: false };
    this.#now = now;
    if (event.kind === 'started' || event.kind === 'state') this.#turns = newTurns();
    dispatch(transition, event);
    orderPulls(transition);
    outstanding(transition, this.#turns);
    const { effects, changed } = transition;
    if (changed) return { effects: [{ kind: 'taken', event }, ...effects], durability: 'sync' };
    // Earlier rules may have written what changes nothing under those of now.
    const isKept = event.kind === 'started' || effects.length > 0 || rules !== undefined;
    return { effects, durability: isKept ? 'lazy' : 'none' };
  }

  /** When the next `tick` is due, in milliseconds since the epoch; undefined while nothing waits for a time. */
  nextDeadline(): number | undefined {
    const { publications, statuses } = this.state;
    const times = [
      ...[...publications.values()].map(({ retryAt, busy }) => (busy ? null : retryAt)),
      ...[...statuses.values()].map(({ retryAt, busy }) => (busy ? null : retryAt)),
      ...nextTimes(this.state),
    ].filter((at) => at !== null);
    if (times.length === 0) return undefined;
    const next = Math.min(...times);
    // It is due and cannot be served yet.
    return next > this.#now ? next : this.#now + watchLimits.tickMsMin;
  }

  /** Whether a webhook was seen before, by its id or by what its signature covers. */
  isReplay(delivery: string, digest: string): boolean {
    return this.state.deliveries.has(`id ${delivery}`) || this.state.deliveries.has(`of ${digest}`);
  }
}

const newTurns = () => ({ publish: new Turns(), status: new Turns() });

function dispatch(transition: Transition, event: WatchEvent): void {
  const { state, now } = transition;
  switch (event.kind) {
    case 'state':
      Object.assign(state, stateOf(event.state));
      return;
    case 'configured':
      return configured(transition, event);
    case 'started':
      return started(state);
    case 'refs':
      return refsChanged(transition, event);
    case 'pull':
      return pullSeen(transition, event.seen);
    case 'pull-closed':
      return closePull(transition, event.pull);
    case 'decided':
      return decide(transition, event);
    case 'again':
      return again(transition, event);
    case 'webhook':
      transition.changed = true;
      transition.effects.push({ kind: 'poll' });
      for (const key of [`id ${event.delivery}`, `of ${event.digest}`]) state.deliveries.set(key, now);
      for (const key of state.deliveries.keys()) {
        if (state.deliveries.size <= 2 * watchLimits.deliveriesMax) break;
        state.deliveries.delete(key);
      }
      return;
    case 'published':
      return published(transition, event);
    case 'unaffected':
      return unaffected(transition, event);
    case 'refused':
      return refused(transition, event);
    case 'stands':
      return stands(transition, event.stands);
    case 'proof':
      return proven(transition, event);
    case 'cancelled':
      return cancelled(transition, event.id);
    case 'cancel-failed':
      return cancelFailed(transition, event.id);
    case 'status-set':
      return statusSet(transition, event);
    case 'status-failed':
      return statusFailed(transition, event);
    case 'tick':
      return schedule(transition);
    default:
      return unreachable(event, 'event');
  }
}

function started({ publications, statuses }: WatchState): void {
  for (const publication of publications.values()) publication.busy = false;
  for (const status of statuses.values()) {
    // The forge may have taken it, and the answer is lost.
    if (status.busy) status.told = null;
    status.busy = false;
  }
}

function configured(transition: Transition, { settings }: Extract<WatchEvent, { kind: 'configured' }>): void {
  const { state, now } = transition;
  if (JSON.stringify(state.settings) === JSON.stringify(settings)) return;
  transition.changed = true;
  if (state.settings?.url !== settings.url) {
    // Another repository begins anew; runs of the one before end by themselves.
    const { tips, baselines, pulls, publications, statuses } = state;
    for (const known of [tips, baselines, pulls, publications, statuses]) known.clear();
    state.watching = false;
  }
  state.settings = settings;
  const before = new Map(state.cron);
  state.cron.clear();
  for (const { name, cron } of settings.rules) {
    if (cron === undefined) continue;
    const known = before.get(name);
    // Times that are new count from now on.
    state.cron.set(name, known?.times === cron ? known : { times: cron, at: now });
  }
}

function refsChanged(
  transition: Transition,
  { first, changed }: Extract<WatchEvent, { kind: 'refs' }>,
): void {
  const { state } = transition;
  for (const { ref, commit, object } of changed) {
    if (commit === null) {
      if (!state.tips.delete(ref)) continue;
      state.baselines.delete(ref);
      transition.changed = true;
      continue;
    }
    if (state.tips.get(ref)?.commit === commit) continue;
    transition.changed = true;
    state.tips.set(ref, { commit, object });
    if (first) state.baselines.set(ref, commit);
    else orderPush(transition, { ref, commit, object });
  }
  if (first && !state.watching) {
    state.watching = true;
    transition.changed = true;
  }
}
