import { QuorateError } from '../../../protocol/base/errors.ts';
import { leaves } from '../../../protocol/documents/index.ts';
import { isLostInRestore } from '../facts.ts';
import type { ControllerState, EventOf, Run, Transition } from '../state.ts';
import { putInForce } from './charter.ts';

/** Epochs to skip for each leaf that came back: the lost life may have started as often, and given fences that no member reported. */
const epochsSkipped = 1_000;

/**
 * Takes leaves that the journal lacks, with what documents came of them. Returns the open runs that they are about.
 * @throws `LOG_OUT_OF_RANGE` where the leaves do not follow the log.
 */
export function takeLeaves(transition: Transition, event: EventOf<'recovered'>): Set<Run> {
  const { state } = transition;
  // Documents of leaves that came back before are of no place in the log.
  if (event.leaves.length > 0 && event.from !== state.log.size)
    throw new QuorateError('LOG_OUT_OF_RANGE', `the log has ${state.log.size} leaves, not ${event.from}`);
  transition.mustSync();
  state.epoch = Math.max(state.epoch + epochsSkipped * event.leaves.length, event.epoch);
  state.recovered = true;
  const touched = new Set<Run>();
  for (const leaf of event.leaves) take(transition, event, leaf, touched);
  takeWithheld(state, event);
  return touched;
}

/** The journal has no verdict of others, so that this is told by lists alone, and nothing rests on it. */
export function givenBack(transition: Transition, { run, bundle }: EventOf<'given-back'>): void {
  transition.unchanged();
  const { index, presence } = transition.state;
  const known = index.get(run);
  if (known === undefined || !isLostInRestore(known)) return;
  if (bundle === null) presence.givenBack.delete(run);
  else presence.givenBack.set(run, bundle.tree);
  index.refile(run, bundle === null ? undefined : 'trusted');
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
  const index = transition.appendLeaf(leaf);
  const [kind, id = '', second = '', third = '', , request] = leaf.split(' ');
  const open = [...state.index.open.values()];
  switch (kind) {
    case 'charter': {
      const charter = charters.find((one) => one.id === id);
      // Earlier charters were no longer in force, and members do not keep them.
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
