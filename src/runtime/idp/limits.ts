import { assert } from '../../core/errors.ts';
import { meshLimits } from '../../mesh/limits.ts';

/** Bounds of an identity provider's process. */
export const idpNodeLimits = {
  /** Connections: of controllers, and of strangers that find the address. */
  connectionsMax: 64,
} as const;

assert(idpNodeLimits.connectionsMax < meshLimits.connectionsMax, 'fewer ask it than any other node');
