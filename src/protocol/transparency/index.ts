export * from './checkpoint.ts';
export { transparencyLimits } from './limits.ts';
export { MerkleTree } from './merkle.ts';
export { verifyConsistency, verifyInclusion } from './proof.ts';
