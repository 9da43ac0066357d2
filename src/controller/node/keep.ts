import { setTimeout as sleep } from 'node:timers/promises';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import { pullArtifact } from '../../node/artifacts/transfer.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import { TransferMeter } from '../../protocol/base/transfer-meter.ts';
import { artifactOf } from '../../protocol/documents/index.ts';
import type { ControllerEffect } from '../machine/events.ts';
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
const pinOfRuns = 'runs';

/** The largest that a build of this job could have made: no more is fetched, whatever a receipt says. */
export function boundOf({ job, receipts }: Pick<RunFacts, 'job' | 'receipts'>, root: string): number {
  const built = receipts.some(({ outcome }) => artifactOf(outcome) === root);
  // Folders and the links between blocks come on top of the bytes of files.
  return (built ? job.limits.diskBytes : limits.logBytesMax) + sandboxLimits.outputOverheadBytes;
}

/** Workers that built an artifact on which a verdict was made. */
export function holdersOf({ index }: ControllerState, root: string): string[] {
  const receipts = index.withArtifact(root).flatMap((run) => run.receipts);
  return receipts.flatMap(({ outcome, worker }) => (artifactOf(outcome) === root ? [worker] : []));
}

/** Fetches and pins what was agreed. */
export async function pin(
  context: ControllerContext,
  { run, artifact, from }: Extract<ControllerEffect, { kind: 'pin' }>,
  pull: typeof pullArtifact = pullArtifact,
): Promise<void> {
  const { machine, store, dispatch, closing } = context;
  const of = machine.state.runs.get(run);
  const maxBytes = of === undefined ? 0 : boundOf(of, artifact);
  const signal = AbortSignal.any([closing, AbortSignal.timeout(controllerNodeLimits.pullMs)]);
  const meter = new TransferMeter();
  const tellFar = (): void => {
    const far = meter.state(performance.now());
    if (far === undefined) return;
    // The size is a worker's word.
    const total = far.total !== null && far.total <= maxBytes ? far.total : null;
    void dispatch({ kind: 'fetching', run, artifact, ...far, total, from }).catch(() => {});
  };
  const timer = setInterval(tellFar, controllerNodeLimits.fetchToldMs).unref();
  const onProgress = (bytes: number, total?: number) => meter.add(performance.now(), bytes, total);
  let detail = '';
  let ok = false;
  try {
    if (!(await store.has(artifact))) await pull(context, artifact, { from, signal, maxBytes, onProgress });
    await store.pin([artifact], pinOfRuns);
    ok = true;
  } catch (error) {
    // The next life asks again.
    if (closing.aborted) return;
    detail = messageOf(error);
  } finally {
    clearInterval(timer);
  }
  await dispatch({ kind: 'pinned', run, artifact, ok, detail });
}

/** Logs and dissenting trees: nothing waits for them. A log that was streamed here is fetched only where its CID is another. */
export class Keeper {
  readonly #context: ControllerContext;
  readonly #logs: Pick<StoredLogs, 'bytes' | 'isCut' | 'replace'>;
  readonly #wanted = new Map<string, Wanted[]>();
  readonly #inTurn = oneByOne();

  constructor(context: ControllerContext, logs: Pick<StoredLogs, 'bytes' | 'isCut' | 'replace'>) {
    this.#context = context;
    this.#logs = logs;
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
      await sleep(controllerNodeLimits.keepGatherMs, undefined, { signal: this.#context.closing });
      // Those who agree name the same tree.
      const wanted = new Map((this.#wanted.get(run) ?? []).map((one) => [one.root, one]));
      this.#wanted.delete(run);
      const pulled = await Promise.all([...wanted.values()].map((one) => this.#pull(run, one)));
      const arrived = new Map(pulled.filter((one) => one !== undefined));
      await store.pin([...arrived.keys()], pinOfRuns);
      await this.#makeWhole(run, arrived);
    } catch (error) {
      if (!this.#context.closing.aborted) tell('warn', 'keep', `keep: ${messageOf(error)}`, { run });
    }
  }

  /** Fetches a tree or log; gives it with the lease of whose streamed log it was taken. */
  async #pull(run: string, { root, from }: Wanted): Promise<[string, string | undefined] | undefined> {
    const { machine, store, tell } = this.#context;
    const of = machine.state.index.get(run);
    const maxBytes = of === undefined ? 0 : boundOf(of, root);
    for (let tried = 1; ; tried++) {
      const signal = AbortSignal.any([
        this.#context.closing,
        AbortSignal.timeout(controllerNodeLimits.pullMs),
      ]);
      try {
        if (await store.has(root)) return [root, undefined];
        const streamed = await this.#keepStreamed(run, { root, from });
        if (streamed === undefined)
          await pullArtifact(this.#context, root, { from: [from], signal, maxBytes });
        return [root, streamed];
      } catch (error) {
        this.#context.closing.throwIfAborted();
        if (tried >= controllerNodeLimits.keepTriesMax) {
          tell('warn', 'keep', `${root} could not be kept: ${messageOf(error)}`, { run });
          return undefined;
        }
        await sleep(500 * tried, undefined, { signal: this.#context.closing });
      }
    }
  }

  /** Takes a log from what was streamed of it, and gives its lease; undefined where it is another text, or no log. */
  #keepStreamed(run: string, { root, from }: Wanted): Promise<string | undefined> {
    const receipts = this.#context.machine.state.index.get(run)?.receipts ?? [];
    const builds = receipts.filter(({ worker, outcome }) => worker === from && artifactOf(outcome) !== root);
    // One at a time is in memory.
    return this.#inTurn(async () => {
      for (const { lease } of builds) if (await this.#keepLog(lease, root)) return lease;
      return undefined;
    });
  }

  /** Logs of revealed rounds that came here with a part missing are replaced by what their workers kept. */
  async #makeWhole(run: string, arrived: ReadonlyMap<string, string | undefined>): Promise<void> {
    const { machine, store, closing, tell } = this.#context;
    const { history = [], receipts = [] } = machine.state.index.get(run) ?? {};
    for (const { progress } of history) {
      if (progress.kind !== 'revealed') continue;
      for (const { worker, slot, log } of progress.results) {
        const build = receipts.find(
          (one) => one.worker === worker && one.slot === slot && one.round === progress.round,
        );
        if (build === undefined || log === null || !arrived.has(log)) continue;
        // One that was taken from what was streamed lacks nothing.
        if (arrived.get(log) === build.lease) continue;
        if (!(await this.#logs.isCut(build.lease))) continue;
        try {
          await this.#logs.replace(build.lease, store.readFile(log, { signal: closing }));
        } catch (error) {
          closing.throwIfAborted();
          // A worker may name what is no file: that is no matter of the others.
          tell('warn', 'keep', `the log ${log} cannot be read: ${messageOf(error)}`, { run });
        }
      }
    }
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
