export * from './content.ts';
export * from './decide.ts';
export * from './draw.ts';
export { checkEquivocation, type Equivocation, revokedByEquivocation } from './equivocation.ts';
export { countsUncosigned, notCosigned } from './not-cosigned.ts';
export { checkStands, type Revoked, revokedBy, sayRevoked, type VoidTarget } from './revocations.ts';
export { InputBundles } from './steps/inputs.ts';
export * from './verify.ts';
export { isWitnessed } from './witnesses.ts';
