import type { Group } from '../cgroups/group.ts';
import type { SandboxJob, SandboxLimits } from '../types.ts';
import type { BuildProcess } from './process.ts';

/** A sandbox whose first process waits for its job, or runs it. */
export interface Started {
  readonly group: Group;
  readonly build: BuildProcess;
  readonly limits: SandboxLimits;
  /** Whether the files of the build count as memory. */
  readonly filesInMemory: boolean;
  /** Ends what is left of it. Called once. @throws SANDBOX_CLEANUP_FAILED */
  end(): Promise<void>;
}

/** The limits of a job as a key; undefined for a job that needs what exists only with it, such as an image in use or a proxy. */
export function shapeOf(
  job: Pick<SandboxJob, 'image' | 'limits' | 'network' | 'terminal' | 'variation' | 'dependencies'>,
): string | undefined {
  const more = [job.network, job.terminal, job.variation, job.dependencies];
  if (job.image !== 'host' || more.some((one) => one !== undefined)) return undefined;
  const { cpus, memoryBytes, diskBytes, pids } = job.limits;
  return JSON.stringify([cpus, memoryBytes, diskBytes, pids]);
}

/**
 * At most one sandbox that was started before its job. It is used once, by the first job of its shape, and gone before a job of
 * another shape starts, when its process ends, or after a time.
 */
export class AheadSandbox {
  readonly #idleMs: number;
  #waiting: { shape: string; started: Started; timer: NodeJS.Timeout } | undefined;
  /** The last one that was dropped, until nothing of it is left. */
  #dropped: Promise<void> = Promise.resolve();

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  get waiting(): Started | undefined {
    return this.#waiting?.started;
  }

  /** Keeps a sandbox. One that waited is dropped. */
  keep(shape: string, started: Started): void {
    void this.drop();
    const timer = setTimeout(() => void this.drop(), this.#idleMs);
    timer.unref();
    const waiting = { shape, started, timer };
    this.#waiting = waiting;
    void started.build.child.ended.then(() => {
      if (this.#waiting === waiting) void this.drop();
    });
  }

  /** Hands over the one that waits, which then belongs to the caller; undefined, and none waits any more, if its shape is another. */
  async take(shape: string | undefined): Promise<Started | undefined> {
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.shape !== shape) {
      await this.drop();
      return undefined;
    }
    clearTimeout(waiting.timer);
    this.#waiting = undefined;
    return waiting.started;
  }

  /** Resolves when nothing is left of the one that waited. Never rejects: what cannot be removed, the next start removes. */
  drop(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return this.#dropped;
    clearTimeout(waiting.timer);
    const { build, group, end } = waiting.started;
    build.child.kill();
    group.kill();
    for (const stream of [build.input, build.log, build.diagnostics, build.status, build.outputs])
      stream.destroy();
    this.#dropped = Promise.all([this.#dropped, build.child.ended, end().catch(() => {})]).then(() => {});
    return this.#dropped;
  }
}
