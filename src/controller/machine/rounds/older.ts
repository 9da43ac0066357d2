import { isBelow, leastWorkerOf } from '../../../protocol/base/least-version.ts';
import { type Role, versionIn } from '../../../protocol/documents/index.ts';
import { cosignersOf } from '../../../protocol/judge/policy.ts';
import { workerOlder } from '../../../protocol/wire/pass-reason.ts';
import { canRead, unreadBy, type Versions } from '../../../protocol/wire/peer-version.ts';
import type { OlderWorker } from '../events.ts';
import { precedes } from '../facts.ts';
import { controllerLimits } from '../limits.ts';
import { arrive, type Present } from '../presence.ts';
import {
  type ControllerState,
  currentRound,
  type EventOf,
  type Round,
  type Run,
  type Transition,
} from '../state.ts';
import { endRun } from './cancel.ts';
import { operatorsBefore } from './leases.ts';

const { olderNamedMax, passesToldMax, reconnectMs } = controllerLimits;

/** The documents that a worker reads before it claims a slot of a round. */
export function documentsOffered({ charter }: ControllerState, run: Run, { offer }: Round): Versions {
  return {
    charter: versionIn('charter', charter?.payload),
    request: versionIn('request', run.request.payload),
    grant: versionIn('grant', run.publisher.payload),
    job: versionIn('job', run.job),
    offer: versionIn('offer', offer),
  };
}

/** Whether a worker may get a slot for its version: it reads the documents, and is not below the least version of the charter. */
export const isOfVersion = (
  { charter }: ControllerState,
  { version }: Pick<Present, 'version'>,
  documents: Versions,
): boolean => canRead(version, documents) && !isBelow(version, leastWorkerOf(charter?.payload));

/** Whether a worker cannot read something that this controller may write, or is below the least version. */
const isBehind = ({ charter }: ControllerState, { version }: Present): boolean =>
  version === null || unreadBy(version).length > 0 || isBelow(version, leastWorkerOf(charter?.payload));

/** Notes a connected worker; returns whether it is behind. Two versions under one key are two processes: the current one may come back. */
export function arriveBehind(state: ControllerState, id: string, worker: Present, now: number): boolean {
  const { presence } = state;
  const before = presence.workers.get(id);
  arrive(presence, id, worker);
  if (!isBehind(state, worker)) {
    presence.behind.delete(id);
    return false;
  }
  presence.behind.add(id);
  if (before !== undefined && !isBehind(state, before)) presence.gone.set(id, { worker: before, at: now });
  return true;
}

/** A charter is in force that may name another least version. */
export function judgeVersions(state: ControllerState): void {
  const { workers, behind } = state.presence;
  behind.clear();
  for (const [id, worker] of workers) if (isBehind(state, worker)) behind.add(id);
}

function isUntouched(run: Run, { slots, candidates }: Round): boolean {
  if (run.receipts.length > 0 || candidates.length > 0 || run.trusted.kind !== 'free') return false;
  return slots.every(({ kind }) => kind === 'free');
}

/** Workers of a role that may claim in a round, whether or not they can read its documents. */
function claimants(state: ControllerState, run: Run, round: Round, role: Role) {
  const trusted = state.charter?.payload.trusted ?? [];
  const before = operatorsBefore(run, round);
  return (id: string, { role: has, operator, enrolled }: Present): boolean =>
    has === role &&
    (role === 'trusted-worker'
      ? trusted.includes(id)
      : precedes(enrolled, round.offer.index) && !before.has(operator));
}

/** Connected workers of a role that cannot read the job, where no other could take it, and since when that is so. */
function onlyOlder(state: ControllerState, run: Run, round: Round, role: Role) {
  const { workers, gone, since: started } = state.presence;
  const documents = documentsOffered(state, run, round);
  const mayClaim = claimants(state, run, round, role);
  const older: OlderWorker[] = [];
  for (const [id, worker] of workers) {
    if (!mayClaim(id, worker)) continue;
    if (isOfVersion(state, worker, documents)) return undefined;
    older.push({ worker: id, operator: worker.operator, version: worker.version?.program ?? null });
  }
  let since = started;
  for (const [id, { worker, at }] of gone)
    if (mayClaim(id, worker) && isOfVersion(state, worker, documents)) since = Math.max(since, at);
  return older.length === 0 ? undefined : { workers: older, since };
}

/** When a run is given up that only older workers could take, ms since the epoch. Workers that left get time to come back. */
export function outdatedAt(
  state: ControllerState,
  run: Run,
): { at: number; workers: OlderWorker[] } | undefined {
  if (state.presence.behind.size === 0 || state.draining) return undefined;
  const round = currentRound(run);
  if (run.phase.kind !== 'building' || round === undefined || !isUntouched(run, round)) return undefined;
  const needsTrusted = cosignersOf(run.request.payload.policy) > 0;
  const found =
    onlyOlder(state, run, round, 'worker') ??
    (needsTrusted ? onlyOlder(state, run, round, 'trusted-worker') : undefined);
  return found === undefined ? undefined : { at: found.since + reconnectMs, workers: found.workers };
}

export function considerOutdated({ state, now, out }: Transition, run: Run): void {
  const due = outdatedAt(state, run);
  if (due === undefined || now < due.at) return;
  const workers = due.workers.slice(0, olderNamedMax);
  out.push({ kind: 'raise', event: { kind: 'outdated', run: run.id, workers } });
}

/** Passes in the name of workers that state no version, or one below the least: they get no offer that they could pass on. */
export function passForOlder({ state, out }: Transition, run: Run): void {
  const round = currentRound(run);
  if (state.presence.behind.size === 0 || run.phase.kind !== 'building' || round === undefined) return;
  const least = leastWorkerOf(state.charter?.payload);
  const untold = [...state.presence.behind].filter((id) => {
    const { version = null } = state.presence.workers.get(id) ?? {};
    return version === null || isBelow(version, least);
  });
  const reason = workerOlder;
  for (const worker of untold.slice(0, passesToldMax))
    out.push({ kind: 'raise', event: { kind: 'passed', worker, offer: round.offerId, reason } });
}

/** The run ends without a verdict: it would wait for workers that cannot read it. */
export function outdated(transition: Transition, { run: id, workers }: EventOf<'outdated'>): void {
  const run = transition.state.runs.get(id);
  const round = run && currentRound(run);
  if (run?.phase.kind !== 'building' || round === undefined || !isUntouched(run, round))
    return transition.unchanged();
  const named = workers.map(({ operator, version }) => `${operator} (${version ?? 'states no version'})`);
  const why = 'only older workers could take it, whose operators have to update Quorate';
  endRun(transition, run, `${why}: ${named.join(', ')}`);
}
