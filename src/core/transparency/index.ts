export * from './checkpoint.ts';
export { MerkleTree } from './merkle.ts';
export { verifyConsistency, verifyInclusion } from './proof.ts';
