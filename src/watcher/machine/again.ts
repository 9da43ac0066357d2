import { QuorateError } from '../../protocol/base/errors.ts';
import type { WatchEvent } from './events.ts';
import { watchLimits } from './limits.ts';
import { isOpen, orderBy } from './publications.ts';
import { isAbout, ruleFor, type WatchRule } from './rules.ts';
import type { Cause, WatchState } from './state.ts';
import type { Transition } from './transition.ts';

/**
 * Why a pipeline is not published again; undefined where it may be: it is the newest of its branch, tag or pull request, is over, and would be
 * published now by the same rule, or approval, at the same commit.
 */
export function refusalOfAgain(state: WatchState, id: string): QuorateError | undefined {
  const publication = state.publications.get(id);
  const hint = 'Load the page again.';
  if (publication === undefined)
    return new QuorateError('WATCH_PIPELINE_UNKNOWN', 'there is no such pipeline', { hint });
  const { order, cause } = publication;
  const all = [...state.publications.values()];
  const ofRef = all.filter((one) => one.order.ref === order.ref);
  if (ofRef.some(isOpen) || all.filter(isOpen).length >= watchLimits.publicationsOpenMax)
    return new QuorateError(
      'WATCH_PIPELINE_OPEN',
      'a pipeline of this ref is not over, or as many are open as may be',
      { hint },
    );
  const isCurrent = ofRef.at(-1) === publication && isWanted(state, cause, order);
  if (isCurrent) return undefined;
  return new QuorateError(
    'WATCH_PIPELINE_CHANGED',
    'this pipeline is not the newest of its ref, or its rules would not publish it now',
    { hint },
  );
}

function isWanted(
  state: WatchState,
  cause: Cause,
  { ref, commit }: { ref: string; commit: string },
): boolean {
  if (cause.kind !== 'pull')
    return state.tips.get(ref)?.commit === commit && ruleOf(state, cause, ref) !== undefined;
  const pull = state.settings?.pulls === undefined ? undefined : state.pulls.get(cause.pull);
  return pull?.commit === commit && pull.ref === ref && pull.decision?.verdict === 'approved';
}

function ruleOf(
  { settings }: WatchState,
  cause: Exclude<Cause, { kind: 'pull' }>,
  ref: string,
): WatchRule | undefined {
  if (settings === null) return undefined;
  if (cause.kind === 'push') return ruleFor(settings, ref);
  return settings.rules.find(
    (rule) => rule.cron !== undefined && rule.name === cause.rule && isAbout(settings, rule, ref),
  );
}

/** Publishes a pipeline again, by its rule of now. With `rebuild` its jobs are built whatever came of them, else those without a trusted result. */
export function again(transition: Transition, { id, rebuild }: Extract<WatchEvent, { kind: 'again' }>): void {
  const { state } = transition;
  const publication = state.publications.get(id);
  if (publication === undefined || refusalOfAgain(state, id) !== undefined) return;
  const { cause, order } = publication;
  if (cause.kind === 'pull') {
    const pull = state.pulls.get(cause.pull);
    // It has its turn among those of its author.
    if (pull !== undefined) pull.ordered = false;
    transition.changed = true;
    return;
  }
  const [rule, tip] = [ruleOf(state, cause, order.ref), state.tips.get(order.ref)];
  if (rule !== undefined && tip !== undefined)
    orderBy(transition, { ref: order.ref, ...tip }, { ...rule, rebuild }, cause.kind);
}
