/**
 * Quorate for other programs: check the evidence of an artifact, or fetch an artifact that can be trusted. Checking
 * needs no network, no files and no clock; the network is loaded by `fetchArtifact` only. Needs Node 22.19 or newer.
 */

import { joseVerifier } from './identity/verifier.ts';
import type { Fetched, FetchOptions } from './node/artifacts/fetch.ts';
import { QuorateError } from './protocol/base/errors.ts';
import {
  type Bundle,
  decodeBundle as decode,
  encodeBundle,
  publicKeyOf,
} from './protocol/documents/index.ts';
import { type Expected as Known, LogView, type Verification, verifyBundle } from './protocol/trust/index.ts';

export type { DependencyErrorCode } from './dependencies/error-codes.ts';
export type { IdentityErrorCode } from './identity/error-codes.ts';
export { publicPemOf } from './identity/pem.ts';
export type { Fetched, FetchProgress, NotTrusted } from './node/artifacts/fetch.ts';
export type { RuntimeErrorCode } from './node/error-codes.ts';
export { type ErrorCode, QuorateError } from './protocol/base/errors.ts';
export { escapeLine } from './protocol/base/escape.ts';
export type {
  Bundle,
  BundledReceipt,
  CountedReceipt,
  LogEntry,
  Outcome,
  Policy,
} from './protocol/documents/index.ts';
export {
  type Arch,
  type Ecosystem,
  type Entry,
  filesOfLocks,
  type Integrity,
  type Origin,
  type Platform,
  parseQuorateLock,
  quorateLock,
  readLocks,
  writeQuorateLock,
} from './protocol/lock-formats/index.ts';
export type {
  Level,
  Revoked,
  StepName,
  Verification,
  VerificationStep,
  VerifiedFacts,
} from './protocol/trust/index.ts';

/** Demands on a bundle, and what is known. */
export interface Expected extends Omit<Known, 'log'> {
  /** All leaves of the log, up to the checkpoint at least: with them omitted receipts and false enrolments are detected too. */
  leaves?: readonly string[];
}

/**
 * Whether a bundle shows that an artifact can be trusted, from nothing but the PeerId of the project's root key.
 *
 * Use the artifact only where `level` is `trusted`. `steps` says in order what was checked, up to the first step that
 * failed; a bundle that proves nothing is an answer, not an error. What `says` quotes is foreign text: pass it through
 * `escapeLine` on its way to a terminal or a page.
 * Throws a `QuorateError`: `KEY_INVALID` for a project that is no PeerId, `DOC_…` for what is no bundle.
 */
export async function verify(bundle: string | Bundle, expected: Expected): Promise<Verification> {
  const { leaves, ...known } = expected;
  publicKeyOf(known.project);
  const log = leaves && LogView.of(leaves);
  return verifyBundle(
    decode(typeof bundle === 'string' ? bundle : textOf(bundle)),
    { ...known, ...(log !== undefined && { log }) },
    joseVerifier,
  );
}

/** A bundle that was taken apart, or comes from elsewhere, is held to all that a text is. */
function textOf(bundle: Bundle): string {
  try {
    return encodeBundle(JSON.parse(JSON.stringify(bundle)));
  } catch (cause) {
    throw new QuorateError('DOC_NOT_JSON', 'the bundle is not made of JSON', { cause });
  }
}

/** The documents of a bundle, each as it was signed. Says nothing about their signatures. Throws `DOC_…`. */
export function decodeBundle(text: string): Bundle {
  return decode(text);
}

/** An artifact to fetch, from where, into which folder. */
export interface FetchArtifactOptions extends Omit<FetchOptions, 'signal' | 'onProgress'> {
  /** Gives up: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  onProgress?: FetchOptions['onProgress'];
}

/**
 * Finds an artifact and its bundle in the mesh, checks the bundle as `verify` does, and only then fetches the bytes,
 * each block against its CID. `dest` is a new or empty folder; nothing is left there unless all of it is right.
 * Throws a `QuorateError`: `NOT_TRUSTED` (a `NotTrusted`, whose `verification` tells why), `ARTIFACT_NOT_FOUND`,
 * `KEY_INVALID`, `STORE_…`, `MESH_…`.
 */
export async function fetchArtifact(options: FetchArtifactOptions): Promise<Fetched> {
  publicKeyOf(options.project);
  const { fetchArtifact: fetch } = await import('./node/artifacts/fetch.ts');
  return fetch({ signal: new AbortController().signal, onProgress: () => {}, ...options });
}
