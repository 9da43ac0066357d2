import type { Readable } from 'node:stream';
import type { Sandbox, SandboxOutcome } from '../../sandbox/index.ts';
import { artifactOf, type Job, type Outcome } from '../core/documents/index.ts';
import { QuorateError } from '../core/errors.ts';
import { signLink } from '../core/interop/index.ts';
import { limits } from '../core/limits.ts';
import type { BuildResult } from '../core/worker/events.ts';
import { randomNonce } from '../identity/idp.ts';
import type { Area, ImportedTree } from '../store/index.ts';
import { BuildLog, openLogChannel } from './build-log.ts';
import { codeOf, messageOf } from './events.ts';
import { areaOf, type WorkerContext } from './worker-context.ts';
import { Sources } from './worker-sources.ts';

/** Builds jobs of leases in the sandbox; everything a build leaves is in a sealed area of the store. */
export class Builder {
  readonly #context: WorkerContext;
  readonly #sandbox: Sandbox;
  readonly #sources: Sources;
  readonly #running = new Map<string, AbortController>();

  constructor(context: WorkerContext, sandbox: Sandbox) {
    this.#context = context;
    this.#sandbox = sandbox;
    this.#sources = new Sources(context);
  }

  stop(lease: string): void {
    this.#running.get(lease)?.abort();
  }

  get count(): number {
    return this.#running.size;
  }

  /** Never throws: whatever goes wrong is an outcome. Undefined when the build was stopped from outside. */
  async build(lease: string, job: Job, ref: string): Promise<BuildResult | undefined> {
    const abort = new AbortController();
    this.#running.set(lease, abort);
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
      outcome = { kind: 'aborted', reason: reasonOf(error), detail: detailOf(error) };
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
    let built: ImportedTree | undefined;
    const outcome = await this.#sandbox.run(
      {
        source: store.exportTar(job.source.tree, { from: source, signal }),
        inputs: [],
        run: job.run,
        env: job.env,
        outputs: job.outputs,
        limits: job.limits,
        image: 'host',
      },
      {
        onLog: (chunk) => log.write(chunk),
        onOutputs: async (tar: Readable) => {
          built = await store.importTar(tar, {
            into: store.sealed(areaOf(lease)),
            maxBytes: job.limits.diskBytes,
            signal,
          });
        },
        signal,
      },
    );
    if (built !== undefined && built.files.length > limits.outputFilesMax) {
      throw new QuorateError(
        'STORE_TOO_MANY_ENTRIES',
        `the outputs are ${built.files.length} files; a receipt lists at most ${limits.outputFilesMax}`,
      );
    }
    return {
      outcome: outcomeOf(outcome, built),
      files: (built?.files ?? []).map(({ path, sha256 }) => ({ path, sha256 })),
    };
  }
}

function outcomeOf(outcome: SandboxOutcome, built: ImportedTree | undefined): Outcome {
  if (outcome.kind === 'exit') {
    return {
      kind: 'exit',
      code: outcome.code & 0xff,
      artifact: outcome.code === 0 ? (built?.root ?? null) : null,
    };
  }
  const reason =
    outcome.reason === 'killed' ? 'operator' : outcome.reason === 'setup' ? 'sandbox' : outcome.reason;
  return { kind: 'aborted', reason, detail: detailOf(outcome.detail) };
}

function reasonOf(error: unknown): Extract<Outcome, { kind: 'aborted' }>['reason'] {
  const code = codeOf(error);
  if (code.startsWith('SOURCE_')) return 'source';
  if (code.startsWith('STORE_')) return 'outputs';
  return 'sandbox';
}

/** For a signed document: one line, no control characters, bounded. */
function detailOf(error: unknown): string {
  const text = typeof error === 'string' ? error : `${codeOf(error)}: ${messageOf(error)}`;
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 400);
}
