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

/** The artifacts that jobs read: fetched by CID once their evidence holds. */
export class WorkerInputs {
  readonly #context: WorkerContext;

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  /** Removes what a crash left. */
  async removeLeftovers(): Promise<void> {
    const { store } = this.#context;
    for (const { root, names } of await store.pins())
      for (const name of names.filter(isInputPin)) await store.unpin(root, name);
  }

  /** Errors: those of `levelsOfInputs`, INPUT_EVIDENCE_TOO_LARGE, INPUT_UNAVAILABLE, `STORE_…`, the signal's reason. */
  async open(lease: string, reading: Reading): Promise<BuildInputs> {
    const inputs = Object.entries(reading.job.inputs).map(([name, cid]) => ({ name, cid }));
    const pin = readingPin(lease);
    const { store } = this.#context;
    const close = async () => {
      for (const { cid } of inputs) await store.unpin(cid, pin);
    };
    // Tests that are only waited for have evidence too, and no artifact.
    if (Object.keys(reading.reads.needs).length === 0) return { inputs, close };
    const evidence = await this.#evidence(reading);
    const { length: known } = this.#context.revocations();
    const levels = await this.#verify(reading, evidence);
    try {
      let left = reading.job.limits.diskBytes;
      for (const { name, cid } of inputs) {
        reading.say(`reads ${name}: ${cid} (${levels[name] ?? 'none'})`);
        left -= await this.#fetch(cid, left, reading.signal);
        await store.pin([cid], pin);
      }
      // Large trees take a while: what was revoked meanwhile is not built on.
      if (this.#context.revocations().length !== known) await this.#verify(reading, evidence);
    } catch (error) {
      await close();
      throw error;
    }
    return { inputs, close };
  }

  /** From the controller: it answers for what it filled in. */
  async #evidence({ reads: { needs }, signal }: Reading): Promise<InputBundles> {
    const evidence = new InputBundles();
    for (const { request } of Object.values(needs)) {
      const text = await this.#bundle(request, signal);
      if (text !== undefined) evidence.add(decodeBundle(text));
    }
    return evidence;
  }

  #verify({ job, reads }: Reading, evidence: InputBundles): Promise<Record<string, string>> {
    const { credentials, revocations } = this.#context;
    const { url: repo, commit } = job.source;
    const order = { request: { payload: { ...reads, repo, commit } }, job };
    const expected = { project: credentials.membership.project, revocations: revocations() };
    return verifyInputs(evidence, order, expected, joseVerifier);
  }

  async #bundle(request: string, signal: AbortSignal): Promise<string | undefined> {
    const { credentials, mesh } = this.#context;
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
  async #fetch(cid: string, maxBytes: number, signal: AbortSignal): Promise<number> {
    try {
      return await pullFromControllers(this.#context, cid, { maxBytes, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (codeOf(error) === 'STORE_DISK_FULL') throw error;
      throw unavailable(`the artifact ${cid}`, error);
    }
  }
}

const unavailable = (what: string, cause: unknown): QuorateError =>
  new QuorateError(
    'INPUT_UNAVAILABLE',
    `${what}, which the job reads, could not be had: ${messageOf(cause)}`,
    {
      hint: 'It has to be within the disk limit of the job, and the controller has to be reachable.',
      cause,
    },
  );
