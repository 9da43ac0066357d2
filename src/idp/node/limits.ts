import { meshLimits } from '../../mesh/limits.ts';
import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

/** Bounds of an identity provider's process. */
export const idpNodeLimits = {
  /** Connections: of controllers, and of strangers that find the address. */
  connectionsMax: 64,
  /** Between two looks at its folder, in ms: charters and revocations that the owner signs there are in force after that. */
  folderPollMs: 1_000,
} as const;

const { connectionsMax, folderPollMs } = idpNodeLimits;
assert(connectionsMax < meshLimits.connectionsMax, 'fewer ask it than any other node');
assert(folderPollMs < limits.signInSecondsMax * 1000, 'what is revoked is known before a sign-in ends');
