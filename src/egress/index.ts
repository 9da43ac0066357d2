export { isPublic } from './addresses.ts';
export { isLiteralAddress, targetsOf } from './charter-entries.ts';
export type { EgressErrorCode } from './error-codes.ts';
export {
  HostGate,
  type HostLimits,
  type HostTraffic,
  type Passage,
} from './host-gate.ts';
export { meteredConnect } from './metered-socket.ts';
export { type Egress, openEgressProxy } from './proxy.ts';
export { type EgressRules, isLiterally, openAddresses, type Resolve, type Target } from './rules.ts';
