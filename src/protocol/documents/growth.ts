import { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { toUtf8 } from '../base/text.ts';
import { peerId, seconds } from './base.ts';
import { documentLimits } from './limits.ts';
import { plainJson } from './plain-json.ts';

/**
 * The newest version of each kind that this program reads; `v` states a document's own, and none means 1. To restrict something or
 * change a meaning: raise the number, take `v: z.literal(2).optional()` in the schema, and raise the rules of machines whose journals
 * hold the document. For a lease or an ack raise the offer's too: charter, request, grant, job and offer tell who can take a job.
 */
export const documentVersions = {
  charter: 1,
  invite: 1,
  grant: 1,
  enrol: 1,
  possession: 1,
  request: 1,
  offer: 1,
  claim: 1,
  lease: 1,
  ack: 1,
  revocation: 3,
  'sign-in': 1,
  session: 1,
  receipt: 1,
  verdict: 1,
  job: 1,
  bundle: 1,
  equivocation: 1,
  'index of dependencies': 1,
} as const;
export type DocumentKind = keyof typeof documentVersions;

/** The part of a document with `v` and `more`: the own part of the predicate of a statement, the top of every other one. */
function partWithVersion(kind: DocumentKind, value: unknown): unknown {
  return kind === 'receipt' || kind === 'verdict'
    ? memberOf(memberOf(value, 'predicate'), `quorate_${kind}`)
    : value;
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

export function versionIn(kind: DocumentKind, payload: unknown): number {
  const v = memberOf(partWithVersion(kind, payload), 'v');
  return typeof v === 'number' ? v : 1;
}

/** Before the schema, which would only say that a member is unknown. Throws `DOC_NEWER`. */
export function checkVersion(kind: DocumentKind, value: unknown): void {
  const v = memberOf(partWithVersion(kind, value), 'v');
  const version = documentVersions[kind];
  if (typeof v !== 'number' || !Number.isSafeInteger(v) || v <= version) return;
  throw new QuorateError('DOC_NEWER', `${kind} is of version ${v}, newer than this program`, {
    hint: `It reads version ${version}: update Quorate here.`,
  });
}

export type More = Readonly<Record<string, unknown>>;

function isMore(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const text = plainJson(value);
  return text !== undefined && toUtf8(text).length <= documentLimits.moreBytesMax && !hasPrototypeKey(value);
}

/** `__proto__`: copies of an object may lose it, or take it for what they inherit from. */
function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasPrototypeKey);
}

/**
 * `more` of each signed document: what a later version adds and readers may ignore. Part of the id, without effect on trust; with
 * several signers the word of the first alone.
 */
export const growth = {
  more: z
    .custom<More>(
      isMore,
      `not an object of canonical JSON of ${documentLimits.moreBytesMax} bytes at most, without links, bytes and fractions`,
    )
    .optional(),
};

/** Members of each message. */
export const signed = { ...growth, iss: peerId };
/** Of each that is valid for a time. */
export const lasting = { iat: seconds, exp: seconds };
/** Whether a document ends after it begins, and in time. */
export const lastsAtMost =
  (secondsMax: number) =>
  ({ iat, exp }: { iat: number; exp: number }): boolean =>
    exp > iat && exp - iat <= secondsMax;
