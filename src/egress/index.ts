export { isPublic } from './addresses.ts';
export { type Egress, openEgress } from './egress.ts';
export type { EgressRules, Resolve, Target } from './rules.ts';
