import { assert } from '../../protocol/base/errors.ts';

/** Bounds of OpenID Connect. */
export const oidcLimits = {
  /** sign-in.toml; it is about a page. */
  fileBytesMax: 64 * 1024,
  /** Rules, services and revoked people of one file. */
  entriesMax: 200,
  /** One answer of a provider: metadata and key sets of large providers have some 20 KiB, user information with many groups more. */
  answerBytesMax: 256 * 1024,
  /** One request to a provider, the whole answer read. */
  requestMsMax: 10_000,
  /** How long metadata of a provider is used before it is fetched again. */
  metadataMs: 3_600_000,
  /** Groups and other values of one claim that rules look at. */
  claimValuesMax: 2_000,
  /** One value of a claim, and a subject; OpenID Connect has 255 for the latter. */
  claimCharsMax: 255,
  /** How often sign-in.toml and the list of ended sessions are looked at for changes. */
  fileCheckMs: 200,
  /** How often one that came with a repository is checked again: each time git is asked. */
  refusedCheckMs: 1_000,
  /** Default and longest time that somebody stays signed in. */
  sessionMsDefault: 8 * 3_600_000,
  sessionMsMax: 24 * 3_600_000,
  /** Default time without a request after which somebody is signed out. */
  idleMsDefault: 3_600_000,
  /** Shortest of both. */
  sessionMsMin: 1_000,
  /** Entries of the list of ended sessions; those older than a session can be are dropped. */
  endedMax: 1_000,
  /** A person that it names, in characters, and all of it. */
  personCharsMax: 600,
  endedBytesMax: 4 * 1024 ** 2,
  /** How often a command looks whether another one has written the list, and how many times. */
  endedLookMs: 50,
  endedLooksMax: 100,
} as const;

assert(oidcLimits.idleMsDefault <= oidcLimits.sessionMsDefault, 'idle ends before the whole time');
assert(
  oidcLimits.endedMax * (6 * oidcLimits.personCharsMax + 64) <= oidcLimits.endedBytesMax,
  'the longest list is read, whatever JSON escapes in it',
);
