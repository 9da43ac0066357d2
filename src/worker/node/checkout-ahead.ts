import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfinedAhead, openConfinedAhead } from '../../execution/confined-git.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import type { Job } from '../../protocol/documents/index.ts';
import type { WorkerContext } from './context.ts';
import { workerNodeLimits } from './limits.ts';

/** Limits of a job that hold for git as well. */
export type CheckoutLimits = Pick<Job['limits'], 'cpus' | 'memoryBytes'>;

/** A sandbox with its folder. */
interface OpenedAhead {
  readonly scratch: string;
  readonly git: ConfinedAhead;
}

/**
 * At most one sandbox of git that was started before its commit is known (docs/adr/0061-a-sandbox-waits-for-the-next-job.md). It is used once,
 * by the next checkout, and gone when it ends by itself or after a time.
 */
export class CheckoutAhead {
  readonly #context: Pick<WorkerContext, 'dir' | 'tell'>;
  readonly #idleMs: number;
  #waiting: { opened: OpenedAhead; timer: NodeJS.Timeout } | undefined;
  #turn = 0;
  /** Resolves once a sandbox that was given up is gone, or one that is being started waits. */
  #unsettled: Promise<unknown> = Promise.resolve();

  constructor(
    context: Pick<WorkerContext, 'dir' | 'tell'>,
    idleMs: number = workerNodeLimits.checkoutAheadMsMax,
  ) {
    this.#context = context;
    this.#idleMs = idleMs;
  }

  /** Starts one, in place of the one that waits. False where a checkout began or it was dropped meanwhile. @throws `SANDBOX_…` */
  start(limits: CheckoutLimits): Promise<boolean> {
    const turn = ++this.#turn;
    const before = this.#drop();
    const starting = before.then(() => this.#start(limits, turn));
    this.#unsettled = starting.catch(() => {});
    return starting;
  }

  async #start(limits: CheckoutLimits, turn: number): Promise<boolean> {
    const { dir } = this.#context;
    const scratch = await mkdtemp(join(dir, 'tmp-'));
    let git: ConfinedAhead;
    try {
      git = await openConfinedAhead({ stateDir: join(dir, 'sandbox'), scratch, ...limits });
    } catch (error) {
      await rm(scratch, { recursive: true, force: true });
      throw error;
    }
    const opened = { scratch, git };
    if (turn !== this.#turn) {
      await this.#end(opened);
      return false;
    }
    const timer = setTimeout(() => void this.#drop(), this.#idleMs);
    timer.unref();
    const waiting = { opened, timer };
    this.#waiting = waiting;
    const ended = (): void => {
      if (this.#waiting === waiting) void this.#drop();
    };
    git.waiting.command.ended.then(ended, ended);
    return true;
  }

  /** Hands over the one that waits, with these limits; undefined where there is none. The caller closes it and removes its folder. */
  take(limits: CheckoutLimits): OpenedAhead | undefined {
    this.#turn++;
    const waiting = this.#waiting;
    if (waiting === undefined) return undefined;
    if (!waiting.opened.git.limit(limits)) {
      void this.#drop();
      return undefined;
    }
    clearTimeout(waiting.timer);
    this.#waiting = undefined;
    return waiting.opened;
  }

  /** Ends the one that waits. Resolves when nothing of it is left. Never rejects: what cannot be removed, the next start removes. */
  drop(): Promise<void> {
    this.#turn++;
    return this.#drop();
  }

  async #drop(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) {
      clearTimeout(waiting.timer);
      this.#unsettled = Promise.all([this.#unsettled, this.#end(waiting.opened)]);
    }
    await this.#unsettled;
  }

  async #end({ scratch, git }: OpenedAhead): Promise<void> {
    try {
      await git.close();
      await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
    } catch (error) {
      this.#context.tell('warn', 'source', `source: ${messageOf(error)}`);
    }
  }
}
