export * from './content.ts';
export * from './decide.ts';
export * from './draw.ts';
export { checkStands, type Revoked, revokedBy, sayRevoked } from './revocations.ts';
export * from './verify.ts';
