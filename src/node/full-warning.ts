import type { Mesh } from '../mesh/index.ts';
import type { Clock, Tell } from '../protocol/sessions/ports.ts';
import { every } from '../protocol/sessions/timing.ts';

/** At most one warning in this time. */
const lookMs = 60_000;

/** Tells the operator of a node now and then that connections find no place. */
export function warnWhenFull(mesh: Pick<Mesh, 'connections'>, clock: Clock, tell: Tell): void {
  let told = 0;
  every(clock, lookMs, () => {
    const { open, max, refused, isFull } = mesh.connections();
    if (isFull && refused > told) tell('warn', 'full', sayFull({ max, refused }), { open, max, refused });
    told = refused;
  });
}

/** For whoever can give it more. */
export const sayFull = ({ max, refused }: { max: number; refused: number }): string =>
  `all ${max} connections are taken: ${refused} were refused since the start. Publishers, trusted workers and those who join still find a place; --connections gives it more`;
