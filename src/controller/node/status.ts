import type { Mesh } from '../../mesh/index.ts';
import { type HealthChecks, meshCheck } from '../../node/health.ts';
import type { Tell } from '../../node/node-events.ts';
import { accountOf, type RunState, tellAlarm } from '../../protocol/account/index.ts';
import { leastWorkerOf } from '../../protocol/base/least-version.ts';
import type { OwnRevocation } from '../../protocol/sessions/own-revocations.ts';
import type { KnownEquivocation } from '../../protocol/sessions/revocation-book.ts';
import { sayFullKey, sayLapsed } from '../../protocol/trust/index.ts';
import { behindText } from '../../protocol/wire/peer-version.ts';
import { fullKeys, lapsedRevocations, operatorsLeft, slotsAsked } from '../machine/members/revocations.ts';
import { workersByRole } from '../machine/presence.ts';
import { summaryOf } from '../machine/queries/summary.ts';
import { awaitedLeases } from '../machine/rounds/leases.ts';
import type { ControllerState } from '../machine/state.ts';
import type { LostBundles } from '../sessions/lost-bundles.ts';
import { type StartWait, sayWait } from '../sessions/start-inquiry.ts';
import { controllerNodeLimits } from './limits.ts';

const { statusNamedMax } = controllerNodeLimits;

/** Status of a controller. Times in milliseconds since the epoch. `stopped`: read from its journal. `starting`: it signs nothing yet. */
export type ControllerStatus = ReturnType<typeof statusOf>;

export function statusOf(
  state: ControllerState,
  about: {
    project: string;
    running: boolean;
    stopsBy: number | null;
    asking?: StartWait | null | undefined;
    connections?: ReturnType<Mesh['connections']> | null;
    without?: string | undefined;
  },
) {
  const { project, running, stopsBy, asking = null, connections = null } = about;
  const open = [...state.index.open.values()].map((run) => {
    // Of a stopped controller nothing else is known than that a run waits for it.
    const stopped = { state: 'waiting' as const, reason: 'for the controller, which is stopped' };
    return { run, account: running ? accountOf(summaryOf(state, run)) : stopped };
  });
  const states: Partial<Record<RunState, number>> = {};
  for (const { account } of open) states[account.state] = (states[account.state] ?? 0) + 1;
  const leases = awaitedLeases(state);
  const does = state.draining ? 'draining' : 'running';
  const stand: typeof does | 'starting' | 'stopped' = asking === null ? does : 'starting';
  return {
    state: running ? stand : 'stopped',
    /** For whom a start waits; null where it waits for nobody. */
    asking,
    project,
    id: state.id,
    /** Epoch of the charter in force; null before the first. */
    charter: state.charter?.payload.epoch ?? null,
    /** Runs in all, and those that have not ended by the state of their account. */
    runs: { all: state.index.size, open: open.length, states },
    oldest: open.slice(0, statusNamedMax).map(({ run, account }) => ({
      run: run.id,
      name: run.job.name,
      phase: run.phase.kind,
      state: account.state,
      reason: account.reason,
      submittedAt: run.submittedAt,
    })),
    /** Offers that still take claims. */
    offers: state.offers.size,
    /** Leases of builds that have not delivered; of a stopped controller, those that wait for its next start. */
    leases: leases.length,
    waitsFor: leases.slice(0, statusNamedMax),
    /** Connected workers by role; null of a stopped controller. */
    workers: running ? workersByRole(state.presence) : null,
    behind: running ? behindOf(state) : [],
    /** Operators that were admitted and are not revoked, by role. */
    operators: {
      worker: operatorsLeft(state).length,
      'trusted-worker': operatorsLeft(state, 'trusted-worker').length,
    },
    /** The most slots that a round has of late, and operators of workers that are not revoked; the one that was asked about is not counted. */
    rounds: {
      slots: slotsAsked(state),
      operators: operatorsLeft(state).filter((name) => name !== about.without).length,
    },
    /** Of its node; null of a stopped controller. */
    connections,
    leaves: state.log.size,
    revocations: state.revocations.length,
    /** Keys that have signed as many revocations as one may. */
    fullKeys: fullKeys(state),
    /** Revocations that counted in version 0.1 and count no more, as a key that signed them was ended; the first of them. */
    lapsed: lapsedOf(state),
    /** When a drain ends at the latest; null while there is none. */
    stopsBy,
  };
}

export function lapsedOf(state: ControllerState): OwnRevocation[] {
  const lapsed = lapsedRevocations(state).slice(0, statusNamedMax);
  return lapsed.map(({ revocation: { id, payload }, index }) => {
    const { what, since, reason } = payload;
    return { id, what, since, reason, leaf: index };
  });
}

/** Connected workers that cannot read what this version may write, and what that means; the first of them. `version`: null where they state none. */
function behindOf({ presence, charter }: Pick<ControllerState, 'presence' | 'charter'>) {
  return [...presence.behind].slice(0, statusNamedMax).flatMap((worker) => {
    const known = presence.workers.get(worker);
    const says = known === undefined ? undefined : behindText(known.version, leastWorkerOf(charter?.payload));
    if (known === undefined || says === undefined) return [];
    const { operator, role, version } = known;
    return [{ worker, operator, role, version: version?.program ?? null, says }];
  });
}

/** `broken`: why the journal or the machine failed; the process ends then. `asking`: for whom its start waits. */
export function controllerHealth(
  state: ControllerState,
  mesh: Pick<Mesh, 'addresses'>,
  { broken, asking }: { broken: () => string | undefined; asking: () => StartWait | null },
): HealthChecks {
  return {
    live: [{ name: 'journal', trouble: broken }],
    ready: [
      meshCheck(mesh),
      {
        name: 'start',
        trouble: () => {
          const wait = asking();
          return wait === null ? undefined : `it has not started: it waits for ${sayWait(wait)}`;
        },
      },
      {
        name: 'drain',
        trouble: () => (state.draining ? 'it is being drained, and begins no round' : undefined),
      },
      { name: 'charter', trouble: () => (state.charter === null ? 'no charter is in force' : undefined) },
    ],
  };
}

/** Alarms that are told again at each start, while they last. */
export function tellAtStart(
  state: ControllerState,
  equivocations: readonly KnownEquivocation[],
  tell: Tell,
): void {
  for (const { proves } of equivocations) tellAlarm(tell, 'equivocated', proves.says);
  for (const key of fullKeys(state)) tellAlarm(tell, 'key-full', sayFullKey(key), { key });
  const lapsed = lapsedOf(state);
  if (lapsed.length > 0)
    tellAlarm(tell, 'revocations-lapsed', `${sayLapsed(lapsed)}. Sign again what should: quorate revoke`, {
      revocations: lapsed,
    });
}

/** Bundles that the journal says were stored and that are not there. */
export function tellLost({ runs, unspooled }: LostBundles, tell: Tell): void {
  const missing = runs.length + unspooled;
  if (missing === 0) return;
  const later =
    unspooled === 0 ? '' : `, ${unspooled} of them at a later start: their documents need room on the disk`;
  tell('warn', 'bundle', `${missing} bundles are missing and made again one by one${later}`, {
    runs: missing,
  });
}
