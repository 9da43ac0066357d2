import { setTimeout as sleep } from 'node:timers/promises';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import { pullArtifact } from '../../node/artifacts/transfer.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { artifactOf } from '../../protocol/documents/index.ts';
import type { RunFacts } from '../machine/facts.ts';
import type { ControllerState } from '../machine/state.ts';
import type { ControllerContext } from './context.ts';
import { controllerNodeLimits } from './limits.ts';
import type { StoredLogs } from './log-files.ts';

interface Wanted {
  root: string;
  /** PeerId of who has it. */
  from: string;
}

/** Under which artifacts and logs of runs are kept: nothing drops one for the sake of one run. */
export const pinOfRuns = 'runs';

/** Folders and the links between blocks come on top of the bytes of files. */
const structureBytesMax = sandboxLimits.outputOverheadBytes;

/**
 * How large what a receipt names can be: as a worker says anything, no more of it is fetched than a build of this job
 * could have made.
 */
export function boundOf({ job, receipts }: Pick<RunFacts, 'job' | 'receipts'>, root: string): number {
  const built = receipts.some(({ outcome }) => artifactOf(outcome) === root);
  return (built ? job.limits.diskBytes : limits.logBytesMax) + structureBytesMax;
}

/** Workers that built an artifact on which a verdict was made. */
export function holdersOf({ index }: ControllerState, root: string): string[] {
  const receipts = index.withArtifact(root).flatMap((run) => run.receipts);
  return receipts.flatMap(({ outcome, worker }) => (artifactOf(outcome) === root ? [worker] : []));
}

/**
 * Logs and dissenting trees of rounds: worth having, but nothing waits for them. A log that was streamed here is not fetched where what
 * is stored of it has the CID in the receipt: where nothing in it had to be escaped or was left out.
 */
export class Keeper {
  readonly #context: ControllerContext;
  readonly #logs: Pick<StoredLogs, 'bytes'>;
  readonly #signal: AbortSignal;
  /** By run. */
  readonly #wanted = new Map<string, Wanted[]>();
  #last: Promise<boolean> = Promise.resolve(false);

  constructor(context: ControllerContext, logs: Pick<StoredLogs, 'bytes'>, signal: AbortSignal) {
    this.#context = context;
    this.#logs = logs;
    this.#signal = signal;
  }

  keep(run: string, wanted: Wanted): void {
    const all = this.#wanted.get(run);
    if (all !== undefined) {
      all.push(wanted);
      return;
    }
    this.#wanted.set(run, [wanted]);
    void this.#keep(run);
  }

  async #keep(run: string): Promise<void> {
    const { store, tell } = this.#context;
    try {
      await sleep(controllerNodeLimits.keepGatherMs, undefined, { signal: this.#signal });
      // Those who agree name the same tree.
      const wanted = new Map((this.#wanted.get(run) ?? []).map((one) => [one.root, one]));
      this.#wanted.delete(run);
      const arrived = await Promise.all([...wanted.values()].map((one) => this.#pull(run, one)));
      await store.pin(
        arrived.filter((root) => root !== undefined),
        pinOfRuns,
      );
    } catch (error) {
      if (!this.#signal.aborted) tell('warn', 'keep', `keep: ${messageOf(error)}`, { run });
    }
  }

  async #pull(run: string, { root, from }: Wanted): Promise<string | undefined> {
    const { machine, store, tell } = this.#context;
    const of = machine.state.index.get(run);
    const maxBytes = of === undefined ? 0 : boundOf(of, root);
    for (let tried = 1; ; tried++) {
      const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(controllerNodeLimits.pullMs)]);
      try {
        if (!(await store.has(root)) && !(await this.#keepStreamed(run, { root, from })))
          await pullArtifact(this.#context, root, { from: [from], signal, maxBytes });
        return root;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (tried >= controllerNodeLimits.keepTriesMax) {
          tell('warn', 'keep', `${root} could not be kept: ${messageOf(error)}`, { run });
          return undefined;
        }
        await sleep(500 * tried, undefined, { signal: this.#signal });
      }
    }
  }

  /** Takes a log from what was streamed of it; false where it is another text, or no log. */
  #keepStreamed(run: string, { root, from }: Wanted): Promise<boolean> {
    const receipts = this.#context.machine.state.index.get(run)?.receipts ?? [];
    const builds = receipts.filter(({ worker, outcome }) => worker === from && artifactOf(outcome) !== root);
    // One at a time is in memory.
    const kept = this.#last.then(async () => {
      for (const { lease } of builds) if (await this.#keepLog(lease, root)) return true;
      return false;
    });
    this.#last = kept.catch(() => false);
    return kept;
  }

  async #keepLog(lease: string, root: string): Promise<boolean> {
    const { store } = this.#context;
    const bytes = await this.#logs.bytes(lease, limits.logBytesMax + 1);
    if (bytes === undefined) return false;
    // A last line without its end was given one.
    for (const text of [bytes, bytes.subarray(0, -1)]) {
      if ((await store.cidOf(text)) !== root) continue;
      await store.importBytes(text, { into: store.public });
      return true;
    }
    return false;
  }
}
