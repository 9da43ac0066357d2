import { joseVerifier } from '../../identity/verifier.ts';
import { fetchBundle } from '../../node/artifacts/bundles.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { decodeBundle, type Job } from '../../protocol/documents/index.ts';
import { InputBundles, verifyInputs } from '../../protocol/trust/index.ts';
import type { Reads } from '../machine/events.ts';
import type { WorkerContext } from './context.ts';
import { workerNodeLimits } from './limits.ts';
import { pullFromControllers } from './pull.ts';

const pinPrefix = 'input-';

/** Under this name the store keeps what one build reads. */
export const readingPin = (lease: string): string => `${pinPrefix}${lease.slice(0, 32)}`;

/** Whether the store keeps a tree for a build that reads it. */
export const isInputPin = (name: string): boolean => name.startsWith(pinPrefix);

interface Reading {
  job: Job;
  reads: Reads;
  signal: AbortSignal;
  /** A line of the build's log. */
  say(text: string): void;
}

/** Inputs of one build, pinned in the store's public area until `close`. */
export interface BuildInputs {
  readonly inputs: readonly { name: string; cid: string }[];
  close(): Promise<void>;
}

/** Removes what a crash left. */
export async function removeInputs({ store, signal, tell }: WorkerContext): Promise<void> {
  try {
    for (const { root, names } of await store.pins())
      for (const name of names.filter(isInputPin)) await store.unpin(root, name);
  } catch (error) {
    if (!signal.aborted) tell('warn', 'inputs', `inputs: ${messageOf(error)}`);
  }
}

/**
 * The artifacts that a job reads: fetched by CID once their evidence holds.
 * @throws as `levelsOfInputs`, INPUT_EVIDENCE_TOO_LARGE, INPUT_UNAVAILABLE, `STORE_…`, the signal's reason
 */
export async function openInputs(
  context: WorkerContext,
  lease: string,
  { job, reads, signal, say }: Reading,
): Promise<BuildInputs> {
  const inputs = Object.entries(job.inputs).map(([name, cid]) => ({ name, cid }));
  const pin = readingPin(lease);
  const { store, revocations, credentials } = context;
  const close = async () => {
    for (const { cid } of inputs) await store.unpin(cid, pin);
  };
  // Tests that are only waited for have evidence too, and no artifact.
  if (Object.keys(reads.needs).length === 0) return { inputs, close };
  const evidence = new InputBundles();
  for (const { request } of Object.values(reads.needs)) {
    const text = await bundleOf(context, request, signal);
    if (text !== undefined) evidence.add(decodeBundle(text));
  }
  const { url: repo, commit } = job.source;
  const order = { request: { payload: { ...reads, repo, commit } }, job };
  const { project } = credentials.membership;
  const verify = () => verifyInputs(evidence, order, { project, revocations: revocations() }, joseVerifier);
  const { length: known } = revocations();
  const levels: Record<string, string> = await verify();
  try {
    let left = job.limits.diskBytes;
    for (const { name, cid } of inputs) {
      say(`reads ${name}: ${cid} (${levels[name] ?? 'none'})`);
      left -= await fetchInput(context, cid, left, signal);
      await store.pin([cid], pin);
    }
    // Large trees take a while: what was revoked meanwhile is not built on.
    if (revocations().length !== known) await verify();
  } catch (error) {
    // An error of this would hide why the job is not built.
    await close().catch(() => {});
    throw error;
  }
  return { inputs, close };
}

/** From the controller: it answers for what it filled in. */
async function bundleOf(
  { credentials, mesh }: WorkerContext,
  request: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(workerNodeLimits.evidenceMs)]);
  for (const controller of credentials.membership.controllers) {
    try {
      const text = await fetchBundle(mesh, controller, request, limit);
      if (text !== undefined) return text;
    } catch (error) {
      signal.throwIfAborted();
      throw unavailable(`the evidence of request ${request}`, error);
    }
  }
  return undefined;
}

/** Returns the bytes that were fetched. */
async function fetchInput(context: WorkerContext, cid: string, maxBytes: number, signal: AbortSignal) {
  try {
    return await pullFromControllers(context, cid, { maxBytes, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (codeOf(error) === 'STORE_DISK_FULL') throw error;
    throw unavailable(`the artifact ${cid}`, error);
  }
}

function unavailable(what: string, cause: unknown): QuorateError {
  const says = `${what}, which the job reads, could not be had: ${messageOf(cause)}`;
  const hint = 'It has to be within the disk limit of the job, and the controller has to be reachable.';
  return new QuorateError('INPUT_UNAVAILABLE', says, { hint, cause });
}
