import { oidcLimits } from '../../identity/oidc/limits.ts';
import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { httpLimits } from '../limits.ts';

export const signInLimits = {
  /** People, terminals and services signed in at a time; about 1 KB each, and some KB with many groups. */
  sessionsMax: 5_000,
  /** Of one person; the oldest ends. */
  sessionsPerPersonMax: 20,
  /** Streams that one session may have open. */
  streamsPerSessionMax: 8,
  /** How often it is looked whether the right of a session still holds. */
  sweepMs: 200,
  /** Questions to the provider at once, each of a browser that came back from it. */
  providerAsksMax: 16,
  /** Of these, of one address. */
  providerAsksPerAddressMax: 4,
  /** From leaving for the provider to coming back. */
  transactionSecondsMax: 600,
  /** Transactions, challenges and codes that are remembered as used, until they expire by themselves. */
  usedMax: 10_000,
  /** A link or a code between two steps that follow each other at once. */
  codeSecondsMax: 60,
  codesMax: 1_000,
  /** Links and codes of one person; the oldest ends. */
  codesPerPersonMax: 20,
  /** Time to type the code that a terminal shows (RFC 8628). */
  deviceSecondsMax: 600,
  /** Between two questions of a terminal. */
  deviceIntervalSeconds: 2,
  /** A path to return to. */
  returnCharsMax: 1_000,
  /** Body of a form or request here. */
  bodyBytesMax: 32 * 1024,
  /** Between two signs of life of a stream: shorter than proxies wait. */
  keepAliveMs: 5_000,
  /** How often a service asks the identity provider whether its people are still signed in. */
  renewMs: 300,
  /** Sessions in one such question. */
  renewSessionsMax: 100,
} as const;

const own = signInLimits;
assert(
  oidcLimits.fileCheckMs + own.renewMs + own.sweepMs <= 750,
  'somebody revoked is out within a second, the time of a request included',
);
assert(own.codeSecondsMax < limits.sessionSecondsMax, 'a code is used while the session lasts');
assert(own.providerAsksPerAddressMax < own.providerAsksMax, 'one address leaves room for others to sign in');
assert(own.sessionsPerPersonMax < own.sessionsMax, 'one person leaves room for others');
assert(own.codesPerPersonMax < own.codesMax, 'one person leaves codes for others');
assert(own.sessionsMax * 8 * 1024 <= 2 ** 26, 'at 8 KB each with many groups, sessions take 40 MB');
assert(
  own.codesMax < own.usedMax && own.usedMax <= 4 * own.sessionsMax,
  'who is signed in has used a transaction, a challenge and a code',
);
assert(
  own.sessionsPerPersonMax * own.streamsPerSessionMax < httpLimits.connectionsMax / 2,
  'one person leaves connections for others',
);
assert(own.providerAsksMax < httpLimits.bodiesMax, 'people who come back leave bodies for others');
assert(
  own.transactionSecondsMax < limits.grantSecondsMax && own.deviceSecondsMax < limits.grantSecondsMax,
  'what was begun ends within a day',
);
assert(10 * own.deviceIntervalSeconds < own.deviceSecondsMax, 'a terminal asks several times');
assert(
  own.returnCharsMax < httpLimits.headerBytesMax / 4,
  'a request line holds a path to return to, encoded',
);
assert(own.bodyBytesMax <= 4 * httpLimits.headerBytesMax, 'a form has few and short fields');
assert(own.renewSessionsMax * 256 <= own.bodyBytesMax, 'a question holds as many sessions');
assert(own.keepAliveMs < httpLimits.idleMs, 'a stream says something before it counts as idle');
