import type { ControllerState } from '../../src/controller/machine/state.ts';
import { type Observe, Violation } from '../observer.ts';

/** Offers of rounds in which somebody builds or has built, and which are not revealed. */
function begun({ index }: ControllerState): Set<string> {
  const rounds = [...index.open.values()].flatMap((run) => run.rounds);
  return new Set(
    rounds
      .filter(
        ({ slots, revealed }) => !revealed && slots.some(({ kind }) => kind !== 'free' && kind !== 'expired'),
      )
      .map(({ offerId }) => offerId),
  );
}

/** While the controller is drained, leases are given in rounds only that had begun by then. */
export function drains(): Observe {
  let before: Set<string> | undefined;
  const given = new Set<string>();
  return (seen) => {
    if (seen.kind === 'restarted') before = undefined;
    if (seen.kind !== 'handled') return;
    if (seen.event.kind === 'started') before = undefined;
    for (const effect of seen.effects) {
      if (effect.kind !== 'reply' || effect.reply.kind !== 'lease') continue;
      const { offer, fence } = effect.reply.lease;
      const key = `${fence.epoch}.${fence.n}`;
      // A lease may be given again to a worker that lost the answer.
      if (!given.has(key) && before !== undefined && !before.has(offer))
        throw new Violation(`a lease was given in a round that had not begun when the drain did`);
      given.add(key);
    }
    if (seen.event.kind === 'drain' || before !== undefined) before = begun(seen.state);
  };
}
