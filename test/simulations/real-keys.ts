import { createHash } from 'node:crypto';
import type { Keys } from '../../simulations/keys.ts';
import { keyFromSeed } from '../../src/identity/keys.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';

/** Signatures of production, under keys that follow from their names. */
export const realKeys: Keys = {
  signer: (name) => keyFromSeed(createHash('sha256').update(`seed of ${name}`).digest()).signer,
  verifier: joseVerifier,
};
