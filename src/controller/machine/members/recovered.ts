import { lostInRestore } from '../../../protocol/account/index.ts';
import { QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { type Grant, leaves, type Verified } from '../../../protocol/documents/index.ts';
import { endRun } from '../rounds/cancel.ts';
import { reconsider } from '../rounds/reconsider.ts';
import {
  appendLeaf,
  type ControllerState,
  type EventOf,
  mustSync,
  type Run,
  type Transition,
  unchanged,
} from '../state.ts';
import { actOnCharter, putInForce } from './charter.ts';
import { endedKeys, isMember, memberRevoked } from './revocations.ts';

/**
 * Epochs that a recovery skips for each leaf that came back: the lost life may have started as often, with fences that no member reported, and an
 * earlier recovery from the same copy skipped fewer.
 */
const epochsSkipped = 1_000;

/**
 * Takes the leaves that an older copy of the journal does not have, as members kept them, as one event. Operators, charters and
 * revocations are those of the leaves, as far as their documents came with them. Open runs that the leaves are about end: their
 * documents are in no copy. Errors: `LOG_OUT_OF_RANGE` where the leaves do not follow the log.
 */
export function recovered(transition: Transition, event: EventOf<'recovered'>): void {
  const { state } = transition;
  // Documents of leaves that came back before are of no place in the log.
  if (event.leaves.length > 0 && event.from !== state.log.size)
    throw new QuorateError('LOG_OUT_OF_RANGE', `the log has ${state.log.size} leaves, not ${event.from}`);
  mustSync(transition);
  state.epoch = Math.max(state.epoch + epochsSkipped * event.leaves.length, event.epoch);
  state.recovered = true;
  const before = state.charter;
  const known = state.revocations.length;
  const touched = new Set<Run>();
  for (const leaf of event.leaves) take(transition, event, leaf, touched);
  takeWithheld(state, event);
  for (const run of touched) endRun(transition, run, lostInRestore);
  if (state.charter !== null && state.charter !== before) actOnCharter(transition, state.charter.payload);
  if (state.revocations.length > known) reconsider(transition);
}

/** Documents of leaves that came back without them. */
function takeWithheld(state: ControllerState, { charters, revocations }: EventOf<'recovered'>): void {
  for (const found of revocations) {
    const index = state.withheld.get(found.revocation.id);
    if (index !== undefined) state.revocations.push({ ...found, index });
    state.withheld.delete(found.revocation.id);
  }
  for (const charter of charters) if (state.withheld.delete(charter.id)) putInForce(state, charter);
}

function take(
  transition: Transition,
  { charters, revocations }: EventOf<'recovered'>,
  leaf: string,
  touched: Set<Run>,
): void {
  const { state } = transition;
  const index = appendLeaf(transition, leaf);
  const [kind, id = '', second = '', third = '', , request] = leaf.split(' ');
  const open = [...state.index.open.values()];
  switch (kind) {
    case 'charter': {
      const charter = charters.find((one) => one.id === id);
      // Those before it were in force no longer, and members do not keep them.
      for (const [one, at] of state.withheld)
        if (state.log.leaves(at, at + 1)[0] === leaves.charter(one)) state.withheld.delete(one);
      if (charter === undefined) state.withheld.set(id, index);
      else putInForce(state, charter);
      return;
    }
    case 'enrol':
      if (isRole(second, state) && !state.operators[second].has(id)) state.operators[second].set(id, index);
      return;
    case 'revocation': {
      const found = revocations.find(({ revocation }) => revocation.id === id);
      const isNew = state.revocations.every(({ revocation }) => revocation.id !== id);
      if (found !== undefined && isNew) state.revocations.push({ ...found, index });
      else if (isNew) state.withheld.set(id, index);
      return;
    }
    case 'offer': {
      const run = state.index.open.get(request ?? '');
      if (run !== undefined) touched.add(run);
      else if (request !== undefined && state.index.get(request) === undefined) state.lost.add(request);
      return;
    }
    case 'receipt':
      for (const run of open) if (run.rounds.some(({ offerId }) => offerId === third)) touched.add(run);
      return;
    case 'verdict':
      for (const run of open) if (run.jobId === third) touched.add(run);
      return;
    default:
  }
}

const isRole = (role: string, { operators }: ControllerState): role is keyof ControllerState['operators'] =>
  Object.hasOwn(operators, role);

/**
 * Whether a grant shows that its holder joined after the copy was made that the journal was restored from: an identity provider of
 * the charter signed it, and the log has its operator at the index it states. A grant that has run out shows that as well. Where the root
 * ended a key, nothing tells whether a ticket of that key let the member in: it joins again. So it does while nobody shows a revocation or
 * charter that is in the log: it may be about that member.
 */
function mayReadmit(state: ControllerState, { payload, signer }: Verified<Grant>): boolean {
  const { charter, recovered, keys, operators, joins, withheld } = state;
  const { project, sub, operator, role, enrolled } = payload;
  return (
    recovered &&
    charter !== null &&
    project === charter.payload.project &&
    charter.payload.idps.includes(signer) &&
    !keys.has(sub) &&
    withheld.size === 0 &&
    (joins.get(signer) ?? 0) < limits.joinsOfKeyMax &&
    operators[role].get(operator) === enrolled &&
    (role === 'trusted-worker' ? charter.payload.trusted.includes(sub) : endedKeys(state).size === 0) &&
    memberRevoked(state, payload) === undefined
  );
}

/** A member whose enrolment the copy does not have is one again. It counts as having joined now: the log does not tell when it did. */
export function readmit(transition: Transition, { grant }: EventOf<'readmit'>): void {
  const { state } = transition;
  if (!mayReadmit(state, grant)) return unchanged(transition);
  const { sub, operator, role, enrolled } = grant.payload;
  const [, , , invite = ''] = state.log.leaves(enrolled, enrolled + 1)[0]?.split(' ') ?? [];
  state.keys.set(sub, { operator, role, invite, by: grant.signer, at: state.log.size, enrolled });
  if (!isMember(state, state.keys.get(sub))) {
    state.keys.delete(sub);
    return unchanged(transition);
  }
  mustSync(transition);
  state.joins.set(grant.signer, (state.joins.get(grant.signer) ?? 0) + 1);
  state.invites.set(invite, [...(state.invites.get(invite) ?? []), sub]);
}
