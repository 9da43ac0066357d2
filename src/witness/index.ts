export type { WitnessErrorCode } from './error-codes.ts';
export { HttpWitness } from './http-witness.ts';
