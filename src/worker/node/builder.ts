import type { Sandbox, Sandboxes } from '../../../sandbox/index.ts';
import { abortedBy, buildInSandbox, limitOf } from '../../execution/in-sandbox.ts';
import { openBuildNetwork } from '../../execution/network.ts';
import { randomNonce } from '../../identity/idp.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import type { LogTimes } from '../../protocol/base/log-times.ts';
import { dropOldest } from '../../protocol/base/maps.ts';
import { artifactOf, type Job, type Outcome } from '../../protocol/documents/index.ts';
import { signLink } from '../../protocol/interop/index.ts';
import { receiptBytesMaxOf } from '../../protocol/judge/index.ts';
import type { BuildResult, Reads } from '../machine/events.ts';
import { BuildLog, openLogStream } from './build-log.ts';
import { areaOf, type WorkerContext } from './context.ts';
import { type BuildDependencies, openDependencies } from './dependencies.ts';
import type { WorkerImages } from './images.ts';
import { type BuildInputs, openInputs } from './inputs.ts';
import { workerNodeLimits } from './limits.ts';
import { type Source, Sources } from './sources.ts';

interface BuildOrder {
  lease: string;
  job: Job;
  ref: string;
  reads: Reads;
}

interface Build extends BuildOrder {
  log: BuildLog;
  signal: AbortSignal;
}

type Done = Pick<BuildResult, 'outcome' | 'limit' | 'files'>;

/** Uses what was opened, and closes it. Where both fail, the error is that of the use. */
async function closedAfter<T>(close: () => Promise<void>, use: () => Promise<T>): Promise<T> {
  const value = await use().catch(async (error: unknown) => {
    await close().catch(() => {});
    throw error;
  });
  await close();
  return value;
}

/** Of a member of a message, besides its value. */
const memberBytes = 16;

/** Builds jobs of leases in the sandbox; everything a build leaves is in a sealed area of the store. */
export class Builder {
  readonly #context: WorkerContext;
  readonly #sandboxes: Sandboxes;
  readonly #sources: Sources;
  readonly #images: WorkerImages;
  readonly #running = new Map<string, { abort: AbortController; job: Job; since: number }>();
  /** By lease, the latest `logTimesKeptMax`; and the bytes that a message with its receipt may have. */
  readonly #times = new Map<string, { times: LogTimes; bytesMax: number }>();
  /** Whether the operator takes jobs now: else no sandbox is started before its job. */
  takesJobs: () => boolean = () => false;
  #next: NodeJS.Timeout | undefined;

  constructor(context: WorkerContext, sandboxes: Sandboxes, images: WorkerImages) {
    this.#context = context;
    this.#sandboxes = sandboxes;
    this.#sources = new Sources(context);
    this.#images = images;
  }

  /** When no build runs any more. */
  async close(): Promise<void> {
    await this.dismiss();
    await this.#sources.close();
  }

  /** Ends the sandboxes that wait for the next job and its commit. To be called when the operator's terms change. */
  async dismiss(): Promise<void> {
    clearTimeout(this.#next);
    await Promise.all([this.#sandboxes.for('host')?.dismiss?.(), this.#sources.dismiss()]);
  }

  /** Starts sandboxes for the next job and its commit, like the last one's, once this worker has been idle for a moment. */
  #startNext({ image, network, dependencies, limits }: Job): void {
    clearTimeout(this.#next);
    const { signal, tell } = this.#context;
    const failed = (error: unknown): void =>
      tell('warn', 'sandbox', `none waits for the next job: ${messageOf(error)}`);
    this.#next = setTimeout(() => {
      if (this.#running.size > 0 || signal.aborted || !this.takesJobs()) return;
      if (image === 'host' && network === undefined && dependencies === undefined)
        this.#sandboxes.for(image)?.ahead?.(limits).catch(failed);
      this.#sources.startNext(limits).catch(failed);
    }, workerNodeLimits.aheadAfterMs);
    this.#next.unref();
  }

  stop(lease: string): void {
    this.#running.get(lease)?.abort.abort();
  }

  /** Times of the log of a build, as far as they fit into a message of so many bytes beside its receipt. */
  logTimes(lease: string, messageBytes: number): string | undefined {
    const { times, bytesMax } = this.#times.get(lease) ?? {};
    return times?.text((bytesMax ?? 0) - messageBytes - memberBytes);
  }

  #keepTimes(lease: string, job: Job, { times }: BuildLog): void {
    this.#times.set(lease, { times, bytesMax: receiptBytesMaxOf(job) });
    dropOldest(this.#times, workerNodeLimits.logTimesKeptMax);
  }

  /** Builds that run, and for how long. */
  get builds(): { job: string; commit: string; ms: number }[] {
    return [...this.#running.values()].map(({ job, since }) => ({
      job: job.name,
      commit: job.source.commit,
      ms: Math.round(performance.now() - since),
    }));
  }

  /** Never throws: whatever goes wrong is an outcome. Undefined when the build was stopped from outside. */
  async build({ lease, job, ref, reads }: BuildOrder): Promise<BuildResult | undefined> {
    const abort = new AbortController();
    clearTimeout(this.#next);
    this.#running.set(lease, { abort, job, since: performance.now() });
    const signal = AbortSignal.any([abort.signal, this.#context.signal]);
    const log = new BuildLog(openLogStream(this.#context, lease));
    const startedOn = new Date().toISOString();
    const sandbox = this.#sandboxes.for(job.image);
    let done: Done;
    try {
      // The one that waits is of another tier, which hears nothing of this job.
      if (sandbox !== this.#sandboxes.for('host')) await this.dismiss();
      done = await this.#run({ lease, job, ref, reads, log, signal, sandbox });
      const { outcome: ended } = done;
      if (ended.kind === 'aborted') log.line(`quorate: aborted: ${ended.reason}: ${ended.detail}`);
    } catch (error) {
      log.line(`quorate: ${codeOf(error)}: ${messageOf(error)}`);
      if (error instanceof QuorateError && error.hint !== undefined) log.line(`quorate: hint: ${error.hint}`);
      done = { outcome: abortedBy(error), files: [], limit: limitOf(error) };
      // Half of the outputs are nobody's, and may be what the disk is full of.
      await this.#context.store.discard(this.#context.store.sealed(areaOf(lease))).catch(() => {});
    } finally {
      this.#running.delete(lease);
      this.#startNext(job);
    }
    this.#keepTimes(lease, job, log);
    const text = await log.end();
    if (signal.aborted) return undefined;
    const { store } = this.#context;
    const logCid = await store.importBytes(text, { into: store.sealed(areaOf(lease)) }).catch(() => null);
    const { outcome, files, limit } = done;
    const link = await this.#link(lease, job, outcome, files);
    return {
      outcome,
      ...(limit !== undefined && { limit }),
      files,
      log: logCid,
      sandbox: {
        tier: sandbox?.tier ?? 'none',
        profile: job.profile,
        portable: job.image !== 'host',
        ...(sandbox !== undefined && { unpinned: sandbox.unpinned }),
      },
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

  async #run({ sandbox, ...build }: Build & { sandbox: Sandbox | undefined }): Promise<Done> {
    if (sandbox === undefined) {
      const { image } = build.job;
      throw new QuorateError('SANDBOX_UNAVAILABLE', `no tier that is offered here runs the image ${image}`, {
        hint: 'The operator offers tiers with quorate join --tier.',
      });
    }
    const { lease, job, ref, reads, log, signal } = build;
    const say = (text: string) => log.line(`quorate: ${text}`);
    const { inputs, close } = await openInputs(this.#context, lease, { job, reads, signal, say });
    return closedAfter(close, async () => {
      const source = await this.#sources.open(job, ref, { signal, say });
      return closedAfter(source.close, async () => {
        const reading = { job, source: source.area, signal, say };
        const dependencies = await openDependencies(this.#context, lease, reading);
        const { laid } = dependencies;
        return closedAfter(dependencies.close, () =>
          this.#inSandbox(build, sandbox, source, { inputs, laid }),
        );
      });
    });
  }

  async #inSandbox(
    { lease, job, log, signal }: Build,
    sandbox: Sandbox,
    source: Source,
    { inputs, laid }: Pick<BuildInputs, 'inputs'> & Pick<BuildDependencies, 'laid'>,
  ): Promise<Done> {
    const { store, credentials, dir, bandwidth, privateHosts, gate } = this.#context;
    const { commit: id, tree, url } = job.source;
    const say = (text: string): void => log.line(`quorate: ${text}`);
    const { charter, membership } = credentials;
    const place = { dir, bandwidth, privateHosts, gate, say };
    const network = await openBuildNetwork({
      ...place,
      job,
      charter,
      source: url,
      store: membership.feed ?? [],
    });
    const image = job.image === 'host' ? undefined : this.#images.use(job.image, signal, say);
    try {
      const { outcome, built, limit } = await buildInSandbox(sandbox, store, job, {
        commit: { id, tree, seconds: source.committedSeconds },
        from: source.area,
        git: source.git,
        inputs,
        dependencies: laid,
        image: image ?? 'host',
        into: store.sealed(areaOf(lease)),
        network,
        onLog: (chunk) => log.write(chunk),
        signal,
      });
      const files = (built?.files ?? []).map(({ path, sha256 }) => ({ path, sha256 }));
      return { outcome, files, limit };
    } finally {
      await image?.release();
      await network?.close();
    }
  }
}
