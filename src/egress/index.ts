export { isPublic } from './addresses.ts';
export { meteredConnect } from './dial.ts';
export type { EgressErrorCode } from './error-codes.ts';
export { HostGate, type HostLimits, type HostTraffic } from './host-gate.ts';
export { type Egress, openEgressProxy } from './proxy.ts';
export {
  type EgressRules,
  isLiteralAddress,
  isLiterally,
  openAddresses,
  type Resolve,
  type Target,
  targetsOf,
} from './rules.ts';
