import type { Sandbox } from '../../sandbox/index.ts';
import { artifactOf, type Job, type Outcome } from '../core/documents/index.ts';
import { signLink } from '../core/interop/index.ts';
import type { BuildResult } from '../core/worker/events.ts';
import { randomNonce } from '../identity/idp.ts';
import type { Area } from '../store/index.ts';
import { abortedBy, buildInSandbox } from './build-in-sandbox.ts';
import { BuildLog, openLogChannel } from './build-log.ts';
import { codeOf, messageOf } from './events.ts';
import { areaOf, type WorkerContext } from './worker-context.ts';
import { Sources } from './worker-sources.ts';

/** Builds jobs of leases in the sandbox; everything a build leaves is in a sealed area of the store. */
export class Builder {
  readonly #context: WorkerContext;
  readonly #sandbox: Sandbox;
  readonly #sources: Sources;
  readonly #running = new Map<string, { abort: AbortController; job: Job; since: number }>();

  constructor(context: WorkerContext, sandbox: Sandbox) {
    this.#context = context;
    this.#sandbox = sandbox;
    this.#sources = new Sources(context);
  }

  stop(lease: string): void {
    this.#running.get(lease)?.abort.abort();
  }

  /** What is being built, and for how long. */
  get builds(): { job: string; commit: string; ms: number }[] {
    return [...this.#running.values()].map(({ job, since }) => ({
      job: job.name,
      commit: job.source.commit,
      ms: Math.round(performance.now() - since),
    }));
  }

  /** Never throws: whatever goes wrong is an outcome. Undefined when the build was stopped from outside. */
  async build(lease: string, job: Job, ref: string): Promise<BuildResult | undefined> {
    const abort = new AbortController();
    this.#running.set(lease, { abort, job, since: performance.now() });
    const signal = AbortSignal.any([abort.signal, this.#context.signal]);
    const log = new BuildLog(openLogChannel(this.#context, lease));
    const startedOn = new Date().toISOString();
    let outcome: Outcome;
    let files: BuildResult['files'] = [];
    try {
      const done = await this.#run(lease, job, ref, log, signal);
      outcome = done.outcome;
      files = done.files;
    } catch (error) {
      log.line(`quorate: ${codeOf(error)}: ${messageOf(error)}`);
      outcome = abortedBy(error);
      // Half of the outputs are nobody's, and may be what the disk is full of.
      await this.#context.store.discard(this.#context.store.sealed(areaOf(lease))).catch(() => {});
    } finally {
      this.#running.delete(lease);
    }
    const text = await log.end();
    if (signal.aborted) return undefined;
    const { store } = this.#context;
    const logCid = await store.importBytes(text, { into: store.sealed(areaOf(lease)) }).catch(() => null);
    const { tier, profile } = this.#sandbox;
    const link = await this.#link(lease, job, outcome, files);
    return {
      outcome,
      files,
      log: logCid,
      sandbox: { tier, profile, portable: job.image !== 'host' },
      startedOn,
      finishedOn: new Date().toISOString(),
      nonce: randomNonce(),
      ...(link === undefined ? {} : { link }),
    };
  }

  /** For tools that know in-toto links only; signed here, as the machine signs nothing. */
  async #link(
    lease: string,
    { source }: Job,
    outcome: Outcome,
    files: BuildResult['files'],
  ): Promise<string | undefined> {
    const { machine, key } = this.#context;
    const held = machine.leaseOf(lease)?.payload;
    const artifact = artifactOf(outcome);
    if (held === undefined || artifact === null) return undefined;
    const { job, slot } = held;
    return signLink({ job, commit: source.commit, slot, artifact, files }, key.signer);
  }

  async #run(
    lease: string,
    job: Job,
    ref: string,
    log: BuildLog,
    signal: AbortSignal,
  ): Promise<{ outcome: Outcome; files: BuildResult['files'] }> {
    const source = await this.#sources.open(job, ref, {
      signal,
      say: (text) => log.line(`quorate: ${text}`),
    });
    try {
      return await this.#inSandbox(lease, job, source.area, log, signal);
    } finally {
      await source.close();
    }
  }

  async #inSandbox(
    lease: string,
    job: Job,
    source: Area,
    log: BuildLog,
    signal: AbortSignal,
  ): Promise<{ outcome: Outcome; files: BuildResult['files'] }> {
    const { store } = this.#context;
    const { outcome, built } = await buildInSandbox(this.#sandbox, store, job, {
      tree: job.source.tree,
      from: source,
      into: store.sealed(areaOf(lease)),
      onLog: (chunk) => log.write(chunk),
      signal,
    });
    return { outcome, files: (built?.files ?? []).map(({ path, sha256 }) => ({ path, sha256 })) };
  }
}
