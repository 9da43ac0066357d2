import { artifactOf } from '../../../protocol/documents/index.ts';
import type { Fault, Recorded, StoreAnswers } from '../facts.ts';
import type { EventOf, Run, Transition } from '../state.ts';

/** `waiting`: other stores may still answer. `foreign`: the answer is of nobody that was asked. */
export type Pinned = 'kept' | 'waiting' | 'foreign' | Fault;

/** Has an artifact fetched from those of these who built it, and kept: by stores that do not yet, where there are stores, from those that do too; else by the controller. */
export function askToPin(
  { state: { stores }, out }: Transition,
  run: Run,
  { artifact, answers }: { artifact: string; answers: StoreAnswers },
  receipts: readonly Recorded[],
): void {
  const built = receipts.filter(({ outcome }) => artifactOf(outcome) === artifact);
  const from = new Set(built.map(({ worker }) => worker));
  const asked = stores === null ? {} : { stores: stores.ids.filter((id) => !answers.by.includes(id)) };
  out.push({ kind: 'pin', run: run.id, artifact, from: [...answers.by, ...from], ...asked });
}

/** The outcome of an answer, with those before it. An attempt is over at the answer by which it has succeeded, or cannot any more. */
export function countAnswer(
  { state: { stores }, rules }: Transition,
  answers: StoreAnswers,
  { store, ok, fault = 'signers' }: Pick<EventOf<'pinned'>, 'store' | 'ok' | 'fault'>,
): Pinned {
  if (stores === null) return store !== undefined ? 'foreign' : ok ? 'kept' : 'signers';
  if (store === undefined || !stores.ids.includes(store)) return 'foreign';
  const { by, failed } = answers;
  if (by.includes(store) || failed.some((other) => other.store === store)) return 'foreign';
  if (ok) by.push(store);
  else failed.push({ store, fault });
  if (by.length >= stores.copies) return 'kept';
  if (stores.ids.length - failed.length >= stores.copies) return 'waiting';
  const down = failed.filter((other) => other.fault === 'store').length;
  const refusedBySigners = failed.length - down;
  answers.failed = [];
  // As many speak against the signers as have to keep it, whatever becomes of those that are down.
  if (rules >= 3) return refusedBySigners >= stores.copies ? 'signers' : 'store';
  return by.length + down >= stores.copies ? 'store' : 'signers';
}
