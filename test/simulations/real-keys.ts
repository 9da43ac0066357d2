import { createHash } from 'node:crypto';
import type { Keys } from '../../simulations/keys.ts';
import { keyFromSeed } from '../../src/identity/keys.ts';
import { plainVerifier } from '../../src/identity/verifier.ts';

/**
 * Signatures of production, under keys that follow from their names. The verifier remembers nothing: in the second of two runs of a seed a
 * known signature would take fewer turns.
 */
export const realKeys: Keys = {
  signer: (name) => keyFromSeed(createHash('sha256').update(`seed of ${name}`).digest()).signer,
  verifier: plainVerifier,
};
