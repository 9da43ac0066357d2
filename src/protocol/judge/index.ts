export {
  type BuildLimit,
  type BuildLimitName,
  knownLimit,
  limitNamed,
  limitText,
  limitVaries,
} from './build-limits.ts';
export { type Check, checker, enforce } from './check.ts';
export {
  checkEnrol,
  checkJoins,
  checkRoom,
  checkSameMember,
  checkTicket,
  checkTickets,
  checkTrusted,
  grantTimes,
  type TicketUse,
  unknownKey,
} from './enrolment.ts';
export { receiptShareOf, roundBytesMaxOf, runBytesMaxOf } from './evidence-size.ts';
export { checkGrant, type GrantUse } from './grant.ts';
export { checkLease } from './lease.ts';
export { isBusy, lackOf } from './needs.ts';
export { checkOffer, checkOffered, checkOfferIssuer } from './offer.ts';
export { cosignersOf, policyMeetsFloor, type Weakness, weaknessesOf } from './policy.ts';
export { checkReceipt } from './receipt.ts';
export { filesFit, outputFilesMaxOf, receiptBytesMaxOf } from './receipt-size.ts';
export { checkJob, checkRequest, checkTemplate, type Order } from './request.ts';
export {
  checkRevocation,
  isNamed,
  keysOf,
  type OpenedRevocation,
  openCharterOf,
  openRevocations,
  type RevocationList,
  type UnreadRevocation,
} from './revocation.ts';
export { serverOf, vcsAllowed } from './vcs.ts';
