import { Cron } from 'croner';
import { isoTime } from '../../protocol/base/time.ts';
import { sameValue } from '../../protocol/documents/index.ts';
import type { PublishOrder, WatchEvent } from './events.ts';
import { watchLimits } from './limits.ts';
import { isAbout, ruleFor, type WatchRule } from './rules.ts';
import { type Cause, isOver, knownOf, type Publication, type WatchState } from './state.ts';
import { isProven, type RunStand } from './status.ts';
import { forgetStatuses, tellOf } from './statuses.ts';
import { retryAfter, type Transition } from './transition.ts';

type EventOf<Kind extends WatchEvent['kind']> = Extract<WatchEvent, { kind: Kind }>;
interface Tip {
  ref: string;
  commit: string;
  object: string;
}

export const isOpen = ({ phase }: Publication): boolean => phase !== 'ended';

export function order(
  transition: Transition,
  wanted: Omit<PublishOrder, 'id' | 'at' | 'words'>,
  cause: Cause,
  author: string | null = null,
): void {
  const { state, now } = transition;
  const id = `${wanted.ref}@${wanted.commit}@${now}`;
  if (state.publications.has(id)) return;
  const open = [...state.publications.values()].filter(isOpen).length;
  const words = state.settings?.words;
  const isFull = open >= watchLimits.publicationsOpenMax;
  const publication: Publication = {
    order: { ...wanted, id, at: now, ...(words !== undefined && { words }) },
    cause,
    author,
    phase: isFull ? 'ended' : 'ordered',
    runs: [],
    stands: new Map(),
    proofs: new Map(),
    stopped: null,
    refused: isFull ? `not published: ${open} pipelines are not over` : null,
    unaffected: false,
    tries: 0,
    retryAt: null,
    busy: false,
  };
  transition.changed = true;
  state.publications.set(id, publication);
  tellOf(transition, publication);
  dropEnded(transition);
}

export function orderPush(transition: Transition, tip: Tip): void {
  const { state } = transition;
  const rule = state.settings === null ? undefined : ruleFor(state.settings, tip.ref);
  if (rule === undefined) return;
  if (rule.supersede)
    stop(transition, `superseded by ${tip.commit.slice(0, 12)}`, ({ order: { ref }, cause }) =>
      cause.kind === 'push' ? ref === tip.ref : false,
    );
  orderBy(transition, tip, rule, 'push');
}

export function orderBy(transition: Transition, tip: Tip, rule: WatchRule, kind: 'push' | 'cron'): void {
  const { name, paths, job = null, rebuild } = rule;
  const base = kind === 'cron' ? null : (transition.state.baselines.get(tip.ref) ?? null);
  order(transition, { ...tip, base, paths, job, rebuild, floor: false }, { kind, rule: name });
}

/** Ends what is open of these without a verdict. */
export function stop(
  transition: Transition,
  reason: string,
  which: (publication: Publication) => boolean,
): void {
  for (const publication of transition.state.publications.values()) {
    if (!isOpen(publication) || publication.stopped !== null || !which(publication)) continue;
    transition.changed = true;
    publication.stopped = reason;
    publication.retryAt = null;
    // A publication that is under way is cancelled once its runs are known.
    if (publication.phase === 'ordered' && !publication.busy && publication.tries === 0)
      publication.phase = 'ended';
    tellOf(transition, publication);
  }
}

/** The publication that an answer is about, which changes it; undefined where it has gone on since. */
function answered(transition: Transition, id: string, phase: Publication['phase']): Publication | undefined {
  const publication = transition.state.publications.get(id);
  if (publication?.phase !== phase) return undefined;
  transition.changed = true;
  return publication;
}

export function published(transition: Transition, { id, runs }: EventOf<'published'>): void {
  const publication = answered(transition, id, 'ordered');
  if (publication === undefined) return;
  Object.assign(publication, { phase: 'published', runs: [...runs], busy: false, tries: 0, retryAt: null });
  tellOf(transition, publication);
}

export function unaffected(transition: Transition, { id }: EventOf<'unaffected'>): void {
  const publication = answered(transition, id, 'ordered');
  if (publication === undefined) return;
  publication.unaffected = publication.stopped === null;
  end(transition, publication);
}

export function refused(transition: Transition, { id, code, message, again }: EventOf<'refused'>): void {
  const publication = answered(transition, id, 'ordered');
  if (publication === undefined) return;
  publication.busy = false;
  publication.tries++;
  if (again && publication.tries < watchLimits.publishTriesMax && publication.stopped === null) {
    publication.retryAt = transition.now + retryAfter(publication.tries);
    return;
  }
  publication.refused = publication.stopped ?? `not published: ${code}: ${message}`;
  end(transition, publication);
}

export function stands(transition: Transition, all: readonly RunStand[]): void {
  const byRun = new Map(all.map((stand) => [stand.run, stand]));
  for (const publication of transition.state.publications.values()) {
    let changed = false;
    for (const { run } of publication.runs) {
      const stand = byRun.get(run);
      if (stand === undefined || isSameStand(stand, publication.stands.get(run))) continue;
      publication.stands.set(run, stand);
      changed = true;
    }
    if (!changed) continue;
    transition.changed = true;
    settleBaseline(transition, publication);
    if (
      publication.phase === 'published' &&
      publication.runs.every(({ run }) => isOver(publication.stands.get(run)))
    )
      end(transition, publication);
    else tellOf(transition, publication);
  }
}

export function proven(transition: Transition, { run, proof }: EventOf<'proof'>): void {
  for (const publication of transition.state.publications.values()) {
    const { runs, proofs } = publication;
    if (!runs.some((one) => one.run === run) || JSON.stringify(proof) === JSON.stringify(proofs.get(run)))
      continue;
    transition.changed = true;
    proofs.set(run, proof);
    settleBaseline(transition, publication);
    tellOf(transition, publication);
  }
}

export const isSameStand = (a: RunStand, b: RunStand | undefined): boolean =>
  b !== undefined &&
  a.state === b.state &&
  a.level === b.level &&
  a.reason === b.reason &&
  a.revoked === b.revoked &&
  a.cosigned === b.cosigned &&
  sameValue(a.account ?? null, b.account ?? null);

export function cancelled(transition: Transition, id: string): void {
  const publication = answered(transition, id, 'published');
  if (publication === undefined) return;
  end(transition, publication);
}

export function cancelFailed(transition: Transition, id: string): void {
  const publication = answered(transition, id, 'published');
  if (publication === undefined) return;
  publication.busy = false;
  publication.tries++;
  publication.retryAt = transition.now + retryAfter(publication.tries);
}

function end(transition: Transition, publication: Publication): void {
  Object.assign(publication, { phase: 'ended', busy: false, retryAt: null });
  settleBaseline(transition, publication);
  tellOf(transition, publication);
  dropEnded(transition);
}

/** Whether a commit may rest on this one for what it did not change: the evidence of all jobs was verified, and not only said. */
const isSound = (publication: Publication): boolean =>
  publication.runs.length > 0 && knownOf(publication).every(isProven);

/** The newest sound commit is what the next is compared with. Where the one that was is not sound any more, all counts as changed. */
function settleBaseline({ state }: Transition, publication: Publication): void {
  const { publications, baselines, tips } = state;
  const { order: of, phase, cause, stopped } = publication;
  if (phase !== 'ended' || cause.kind !== 'push' || stopped !== null) return;
  if (!isSound(publication)) {
    if (baselines.get(of.ref) === of.commit) baselines.delete(of.ref);
    return;
  }
  const all = [...publications.values()];
  const isNewer = all
    .slice(all.indexOf(publication))
    .some(({ order: { ref, commit } }) => ref === of.ref && commit === baselines.get(ref));
  if (tips.has(of.ref) && !isNewer) baselines.set(of.ref, of.commit);
}

/** The oldest of those that are over go. */
function dropEnded(transition: Transition): void {
  const { publications } = transition.state;
  const ended = [...publications].filter(([, publication]) => !isOpen(publication));
  const over = ended.slice(0, Math.max(0, ended.length - watchLimits.publicationsEndedMax));
  for (const [id] of over) publications.delete(id);
  forgetStatuses(transition);
}

export function nextTimes({ cron }: WatchState): number[] {
  return [...cron.values()].flatMap(({ times, at }) => nextTime(times, at) ?? []);
}

function nextTime(times: string, at: number): number | undefined {
  return new Cron(times, { timezone: 'UTC', paused: true }).nextRun(isoTime(at))?.getTime();
}

/** Publishes the tips of each rule whose time has come: once, however many times were missed. */
export function schedule(transition: Transition): void {
  const { state, now } = transition;
  const { settings } = state;
  if (settings === null) return;
  for (const rule of settings.rules) {
    const known = state.cron.get(rule.name);
    if (known === undefined) continue;
    const due = nextTime(known.times, known.at);
    if (due === undefined || due > now) continue;
    transition.changed = true;
    state.cron.set(rule.name, { times: known.times, at: now });
    for (const [ref, tip] of state.tips)
      if (isAbout(settings, rule, ref)) orderBy(transition, { ref, ...tip }, rule, 'cron');
  }
}
