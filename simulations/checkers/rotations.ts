import { type Observe, Violation } from '../observer.ts';

/** After rotations each worker that may work has joined and knows the controller, and every verdict is published. */
export function rotations(): Observe {
  return (seen, truth) => {
    if (seen.kind !== 'ended') return;
    const { revocations, unstored } = seen.state;
    const revoked = new Set(revocations.map(({ revocation }) => revocation.payload.what.id));
    for (const { id, worker, controller } of seen.idle) {
      if (controller === truth.controller || revoked.has(truth.personOf(id))) continue;
      if (controller === undefined && !truth.isQuiet) continue;
      const says =
        controller === undefined
          ? `${worker} could not join`
          : `${worker} asks ${controller}; the controller is ${truth.controller}`;
      throw new Violation(says);
    }
    const [left] = unstored;
    if (left !== undefined) throw new Violation(`the verdict of ${left} was never published`);
  };
}
