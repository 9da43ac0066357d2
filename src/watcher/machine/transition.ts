import type { WatchEffect } from './events.ts';
import { watchLimits } from './limits.ts';
import { isOver, type WatchState } from './state.ts';

/** Round-robin among authors: who waited longest since a turn is next, whatever the others have waiting. */
export class Turns {
  /** By author: the number of their last turn. */
  readonly #last = new Map<string | null, number>();
  #count = 0;

  /** Up to `count` of these in turn; of each author in their order. Who has nothing here is forgotten, and is first the next time. */
  pick<T extends { author: string | null }>(waiting: readonly T[], count: number): T[] {
    const lists = new Map<string | null, T[]>();
    for (const one of waiting) lists.set(one.author, [...(lists.get(one.author) ?? []), one]);
    for (const author of this.#last.keys()) if (!lists.has(author)) this.#last.delete(author);
    const picked: T[] = [];
    while (picked.length < count) {
      const [next] = [...lists].sort(([a], [b]) => (this.#last.get(a) ?? 0) - (this.#last.get(b) ?? 0));
      if (next === undefined) break;
      const [author, list] = next;
      const one = list.shift();
      if (one !== undefined) picked.push(one);
      if (list.length === 0) lists.delete(author);
      this.#last.set(author, ++this.#count);
    }
    return picked;
  }
}

/** One call of `handle`. */
export interface Transition {
  state: WatchState;
  /** Milliseconds since the epoch. */
  now: number;
  effects: WatchEffect[];
  /** The event belongs in the journal. */
  changed: boolean;
}

export const retryAfter = (tries: number): number =>
  Math.min(watchLimits.retryMs * 2 ** Math.min(tries - 1, 20), watchLimits.retryMsMax);

interface EffectTurns {
  publish: Turns;
  status: Turns;
}

/** Gives the effects that are due, as many at the same time as the limits allow, of authors in turn. */
export function outstanding({ state, now, effects }: Transition, turns: EffectTurns): void {
  const due = ({ busy, retryAt }: { busy: boolean; retryAt: number | null }) =>
    !busy && (retryAt === null || retryAt <= now);
  const publications = [...state.publications.values()];
  const ordered = publications.filter(({ phase }) => phase === 'ordered');
  const publishing = ordered.filter(({ busy }) => busy).length;
  const room = watchLimits.publishingAtOnceMax - publishing;
  for (const publication of turns.publish.pick(ordered.filter(due), room)) {
    publication.busy = true;
    effects.push({ kind: 'publish', order: publication.order });
  }
  for (const publication of publications) {
    const { phase, order, runs, stands, stopped } = publication;
    if (!due(publication) || phase !== 'published' || stopped === null) continue;
    publication.busy = true;
    const open = runs.filter(({ run }) => !isOver(stands.get(run))).map(({ run }) => run);
    // Each before what it rests on, so that each ends with this reason.
    effects.push({ kind: 'cancel', id: order.id, runs: open.reverse(), reason: stopped });
  }
  const statuses = [...state.statuses].map(([key, of]) => ({ key, of, author: of.author }));
  const telling = statuses.filter(({ of }) => of.busy).length;
  const untold = statuses.filter(({ of }) => due(of) && of.told !== of.wanted && of.failed === null);
  for (const { key, of } of turns.status.pick(untold, watchLimits.statusesAtOnceMax - telling)) {
    of.busy = true;
    const { commit, context, pull, wanted } = of;
    effects.push({ kind: 'status', key, commit, context, pull, status: wanted });
  }
}
