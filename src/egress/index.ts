export { isPublic } from './addresses.ts';
export { type Egress, openEgress } from './egress.ts';
export { isLiteral, targetsOf } from './entries.ts';
export { meteredConnect } from './metered.ts';
export type { EgressRules, Resolve, Target } from './rules.ts';
