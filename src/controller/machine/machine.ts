import { lostInRestore } from '../../protocol/account/index.ts';
import type { Handled } from '../../protocol/base/durability.ts';
import { QuorateError, unreachable } from '../../protocol/base/errors.ts';
import type { ControllerEffect, ControllerEvent, Reply } from './events.ts';
import { isOver } from './facts.ts';
import { awaitInputs, recalled, reviewDependants } from './inputs/readers.ts';
import { considerRecalls } from './inputs/recall.ts';
import { checkPresent, enrol, readmit, renew } from './members/enrolment.ts';
import { givenBack, takeLeaves } from './members/recovered.ts';
import { endRevokedKeys, revoke } from './members/revocations.ts';
import { absenceEndsAt, hear, leave, Presence, silentAt } from './presence.ts';
import { findRun } from './queries/summary.ts';
import { considerAbsence, giveUpFreeSlots, reconsiderAbsences, untaken } from './rounds/absence.ts';
import { cancel, endRun } from './rounds/cancel.ts';
import { claim, closeWindow, considerWindow, everyoneAnswered, passed } from './rounds/claims.ts';
import { endAheadOfClock, expire } from './rounds/expire.ts';
import { failed, ofLease, receipt, resumeLease, silent } from './rounds/lease-stream.ts';
import { drain, isHeld, loseLease } from './rounds/leases.ts';
import { arriveBehind, considerOutdated, outdated, outdatedAt, passForOlder } from './rounds/older.ts';
import { submit } from './rounds/open-run.ts';
import { actOnCharter, reviewAll, takeCharter } from './rounds/reconsider.ts';
import { pinReusedArtifact, reuseCosigned, reusedArtifactPinned, reuseRefused } from './rounds/reuse.ts';
import { pin, pinned, settle } from './rounds/settle.ts';
import {
  considerHandOver,
  cosignRefused,
  endUnsigned,
  handOver,
  handOverDue,
} from './rounds/trusted-slot.ts';
import { trustedLeases } from './slots.ts';
import {
  ControllerState,
  currentRound,
  type EventOf,
  type LiveLease,
  liveLeases,
  publishedOf,
  type Run,
  Transition,
} from './state.ts';
import { showAgain, showsAgainAt, waitForSignature } from './verdicts/cosigning.ts';
import { cosigned, retire } from './verdicts/verdict.ts';
import { witnessed } from './verdicts/witnesses.ts';

/**
 * State and rules of a project's controller, without I/O.
 *
 * A `Controller` has three kinds of methods:
 *
 * - A. The event handler `handle(event, now)`: takes what a peer, a timer or the process said, changes the state, and returns effects to
 *   carry out and how durable the event must be before that.
 * - B. The timer query `nextDeadline()`: when the next `tick` is due.
 * - C. `state`, which the queries in `queries/` read and nothing outside of the machine changes.
 *
 * Order of calls (`Loop` keeps it): replay each event of the journal with A, under its own time and rules, and drop the effects; handle one
 * `started` event; then for each event: A, write it to the journal and sync that as its durability says, carry out its effects, set the
 * timer by B. Results of effects come back as events. An effect `raise` is handled as the next event.
 *
 * The same events at the same times under the same rules give the same state and effects: there is no clock and no randomness. A refused
 * event changes nothing, and its effect is the reply with the code.
 *
 * An event goes down through the folders beside this file, from the dispatcher: `inputs/`, `rounds/`, `verdicts/`, `members/`.
 */
export class Controller {
  /** Grows with every change of what comes of an event, and of the shape of events. */
  static readonly rules = 3;
  readonly state: ControllerState;

  /** The keys it signs with until a `started` event names others. */
  constructor(id: string, idp: string) {
    this.state = new ControllerState(id, idp);
  }

  handle(event: ControllerEvent, now: number, rules: number = Controller.rules): Handled<ControllerEffect> {
    const leavesBefore = this.state.log.size;
    const transition = new Transition(this.state, now, rules);
    try {
      dispatch(transition, event);
      reviewDependants(transition);
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      // No request to answer. The event is dropped, so that a peer's input cannot stop a replay.
      if (!('token' in event) || event.token === undefined) return { effects: [], durability: 'none' };
      const { code, message, hint } = error;
      const reply: Reply = { kind: 'error', code, message, ...(hint !== undefined && { hint }) };
      return { effects: [{ kind: 'reply', token: event.token, reply }], durability: 'none' };
    }
    const { out: effects, durability } = transition;
    const record = recordOf(this.state, leavesBefore);
    return { effects, durability, ...(record !== undefined && { record }) };
  }

  /** When the next `tick` is due (ms since the epoch), or undefined while no timer runs. */
  nextDeadline(): number | undefined {
    let next: number | undefined;
    const consider = (at: number | null | undefined) => {
      if (at !== null && at !== undefined) next = Math.min(at, next ?? at);
    };
    for (const run of this.state.index.open.values()) {
      consider(run.request.payload.exp * 1000);
      consider(run.phase.kind === 'pinning' ? run.phase.retryAt : showsAgainAt(this.state, run));
      consider(handOverDue(this.state, run));
      consider(outdatedAt(this.state, run)?.at);
      const round = currentRound(run);
      if (round !== undefined && run.phase.kind === 'building' && !isHeld(this.state, round)) {
        if (round.windowOpen) consider(round.windowEnds);
        else if (round.slots.some((slot) => slot.kind === 'free'))
          consider(Math.min(round.fillBy, absenceEndsAt(this.state, round.offerId) ?? round.fillBy));
      }
      for (const live of liveLeases(run)) consider(Math.min(silentAt(this.state, live), endOf(live)));
    }
    return next;
  }
}

/** The leaves that an event added to the log, with their index: a replay that gives others is not the history of this log. */
function recordOf({ log }: ControllerState, from: number): string | undefined {
  return log.size === from ? undefined : JSON.stringify({ from, leaves: log.leaves(from) });
}

const endOf = ({ lease }: LiveLease): number => lease.exp * 1000;

const handlers: { [K in ControllerEvent['kind']]: (transition: Transition, event: EventOf<K>) => void } = {
  started,
  recovered,
  readmit,
  charter(transition, { charter }) {
    if (!takeCharter(transition, charter)) transition.unchanged();
  },
  enrol,
  renew,
  submit(transition, event) {
    const run = submit(transition, event);
    if (run !== undefined) awaitInputs(transition, run);
  },
  present,
  absent,
  claim,
  answered: everyoneAnswered,
  untaken(transition, event) {
    const run = untaken(transition, event);
    if (run !== undefined) settle(transition, run);
  },
  silent,
  'hand-over': handOver,
  passed,
  outdated,
  resume: resumeLease,
  detached: (transition, event) =>
    ofLease(transition, event, (live) => {
      const { heard } = transition.state.presence;
      const { at } = heard.get(live.id) ?? { at: transition.now };
      heard.set(live.id, { at, detachedAt: transition.now });
    }),
  heartbeat: (transition, event) =>
    ofLease(transition, event, (live) => hear(transition.state, live.id, transition.now)),
  receipt,
  failed,
  fetching: ofRun((transition, run, { artifact, bytes, total, bytesPerSecond, from }) => {
    transition.unchanged();
    if (run.phase.kind === 'pinning' && run.phase.artifact === artifact)
      transition.state.presence.fetching.set(run.id, { artifact, bytes, total, bytesPerSecond, from });
  }),
  pinned(transition, event) {
    const { fetching } = transition.state.presence;
    if (fetching.get(event.run)?.artifact === event.artifact) fetching.delete(event.run);
    ofRun<typeof event>((_, run) =>
      run.phase.kind === 'answering'
        ? reusedArtifactPinned(transition, run, event)
        : pinned(transition, run, event),
    )(transition, event);
  },
  cosigned: ofRun((transition, run, event) =>
    run.reused === null ? cosigned(transition, run, event) : reuseCosigned(transition, run, event),
  ),
  'cosign-refused': ofRun((transition, run, event) =>
    run.reused === null ? cosignRefused(transition, run, event) : reuseRefused(transition, run, event),
  ),
  witnessed: ofRun(witnessed),
  stored,
  'given-back': givenBack,
  revoke(transition, event) {
    if (revoke(transition, event)) revocationsChanged(transition);
  },
  recalled,
  cancel: (transition, event) =>
    cancel(transition, findRun(transition.state, event.which, { ofOneJob: true }), event),
  acknowledge: acknowledgeAlarm,
  drain,
  tick,
};

function dispatch(transition: Transition, event: ControllerEvent): void {
  if (!Object.hasOwn(handlers, event.kind)) unreachable(event as never, 'controller event');
  const handle: (transition: Transition, event: never) => void = handlers[event.kind];
  handle(transition, event as never);
}

function ofRun<E extends { run: string }>(act: (transition: Transition, run: Run, event: E) => void) {
  return (transition: Transition, event: E): void => {
    const run = transition.state.runs.get(event.run);
    if (run === undefined) transition.unchanged();
    else act(transition, run, event);
  };
}

function revocationsChanged(transition: Transition): void {
  reviewAll(transition);
  considerRecalls(transition);
}

/** Leaves of an older copy of the journal came back. Open runs that they are about end: their documents are in no copy. */
function recovered(transition: Transition, event: EventOf<'recovered'>): void {
  const { state } = transition;
  const before = state.charter;
  const known = state.revocations.length;
  for (const run of takeLeaves(transition, event)) endRun(transition, run, lostInRestore);
  if (state.charter !== null && state.charter !== before) actOnCharter(transition, state.charter.payload);
  if (state.revocations.length > known) revocationsChanged(transition);
}

/** The process started: streams and claims of the previous one are gone, leases wait for their workers to resume. */
function started(transition: Transition, event: EventOf<'started'>): void {
  const { state, now } = transition;
  // An epoch that was lost would be given again, and the fences of its leases with it.
  transition.mustSync();
  state.timings = event.timings;
  state.stores = event.stores ?? null;
  if (event.keys !== undefined) {
    state.id = event.keys.controller;
    state.idp = event.keys.idp;
  }
  state.epoch++;
  state.leasesThisEpoch = 0;
  state.draining = false;
  state.presence = new Presence(now);
  takeCharter(transition, event.charter);
  if (endRevokedKeys(transition)) revocationsChanged(transition);
  // A run that ends leaves the index.
  for (const run of [...state.index.open.values()]) endAheadOfClock(transition, run);
  for (const id of state.unstored) {
    const run = state.runs.get(id);
    if (run !== undefined && publishedOf(run) !== null) transition.out.push({ kind: 'verdict', run: run.id });
  }
  for (const id of state.recalls) transition.out.push({ kind: 'recall', run: id });
  for (const run of state.index.open.values()) {
    for (const { id } of [...liveLeases(run), ...trustedLeases(run)])
      state.presence.heard.set(id, { at: now, detachedAt: now });
    if (run.phase.kind === 'cosigning' || run.phase.kind === 'answer-cosigning')
      waitForSignature(transition, run.phase);
    // Others have the time again to connect.
    if (run.phase.kind === 'cosigning' && run.phase.refusedAt !== null) run.phase.refusedAt = now;
    // A store repeats which trees it keeps.
    if (run.phase.kind === 'answering' || run.phase.kind === 'pinning')
      run.phase.answers = { by: [], failed: [] };
    pinReusedArtifact(transition, run);
    const round = currentRound(run);
    if (round === undefined) continue;
    round.candidates = [];
    round.openedAt = Math.min(round.openedAt, now);
    if (run.phase.kind === 'building' && round.slots.some((slot) => slot.kind === 'free')) {
      // Sets it anew even if it lies later: the clock may have been ahead.
      round.fillBy = now + state.timings.windowMs + state.timings.slotFillMs;
    }
    if (round.windowOpen) round.windowEnds = now + state.timings.windowMs;
    considerAbsence(transition, run);
    if (state.offers.has(round.offerId))
      transition.out.push({ kind: 'offer', run: run.id, offer: round.offer });
    if (run.phase.kind === 'pinning') {
      run.phase.retryAt = null;
      pin(transition, run);
    }
  }
}

/** The bundle of a run's last verdict is stored; that of an earlier one changes nothing. */
function stored(transition: Transition, { run: id, verdict, sha256 }: EventOf<'stored'>): void {
  const { state } = transition;
  const known = state.index.get(id);
  const last = known === undefined ? null : publishedOf(known);
  // A repeated event is taken: a bundle may have been lost and made again.
  if (last?.verdict.id !== verdict) return transition.unchanged();
  state.unstored.delete(id);
  if (sha256 === undefined) state.bundles.delete(id);
  else state.bundles.set(id, sha256);
  const run = state.runs.get(id);
  if (run !== undefined) retire(transition, run);
}

function present(transition: Transition, { grant, capabilities, version }: EventOf<'present'>): void {
  const granted = checkPresent(transition, grant);
  const { sub, operator, role, enrolled } = granted;
  const { index, presence } = transition.state;
  // It may come again on the same connection.
  const since = presence.workers.get(sub)?.since ?? transition.now;
  const worker = { operator, role, enrolled, capabilities, grant, version, since };
  if (arriveBehind(transition.state, sub, worker, transition.now))
    for (const run of index.open.values()) {
      passForOlder(transition, run);
      considerOutdated(transition, run);
    }
  reconsiderAbsences(transition);
  transition.unchanged();
}

function absent(transition: Transition, { worker: id }: EventOf<'absent'>): void {
  const { presence, index } = transition.state;
  leave(presence, id, transition.now);
  for (const run of index.open.values()) {
    considerWindow(transition, run);
    considerAbsence(transition, run);
    considerOutdated(transition, run);
  }
  transition.unchanged();
}

function tick(transition: Transition): void {
  const { state, now, out } = transition;
  let changed = false;
  // A run that ends leaves the index.
  for (const run of [...state.index.open.values()]) {
    showAgain(transition, run);
    const before = out.length;
    for (const live of liveLeases(run))
      if (now >= endOf(live)) loseLease(transition, run, live.id, 'its time is up');
    if (run.phase.kind === 'pinning' && run.phase.retryAt !== null && now >= run.phase.retryAt) {
      run.phase.retryAt = null;
      pin(transition, run);
    }
    const round = currentRound(run);
    if (run.phase.kind === 'building' && round !== undefined && !isHeld(state, round)) {
      const closes = round.windowOpen && now >= round.windowEnds;
      if (closes) closeWindow(transition, run, round);
      const ends = !round.windowOpen && now >= round.fillBy;
      if (ends) giveUpFreeSlots(transition, run);
      changed ||= closes || ends;
    }
    settle(transition, run);
    endUnsigned(transition, run);
    if (now >= run.request.payload.exp * 1000) expire(transition, run);
    changed ||= out.length > before || isOver(run);
    for (const live of liveLeases(run)) {
      if (now >= silentAt(state, live))
        out.push({ kind: 'raise', event: { kind: 'silent', lease: live.id } });
    }
    const offer = currentRound(run)?.offerId;
    const free = offer === undefined ? undefined : absenceEndsAt(state, offer);
    if (free !== undefined && now >= free && offer !== undefined)
      out.push({ kind: 'raise', event: { kind: 'untaken', offer } });
    considerHandOver(transition, run);
    considerOutdated(transition, run);
  }
  if (!changed) transition.unchanged();
}

/** Takes an alarm of a run off the list, until there is a new reason. @throws `JOB_UNKNOWN`. */
function acknowledgeAlarm(transition: Transition, { token, run: id, by }: EventOf<'acknowledge'>): void {
  const { state } = transition;
  const run = state.index.get(id);
  if (run === undefined) throw new QuorateError('JOB_UNKNOWN', `no run has the id ${id.slice(0, 64)}`);
  if (state.alarms.has(id)) {
    transition.mustSync();
    transition.tell(run, { kind: 'acknowledged', by });
  } else transition.unchanged();
  if (token !== undefined) transition.reply(token, { kind: 'acknowledged', run: id });
}
