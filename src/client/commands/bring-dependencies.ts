import type { FetchProgress } from '../../dependencies/index.ts';
import type { JobSpec } from '../../jobfile/index.ts';
import type { Client } from '../../member/client.ts';
import type { Prepared } from '../../member/submit.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { TransferMeter } from '../../protocol/base/transfer-meter.ts';
import type { Job } from '../../protocol/documents/index.ts';
import type { Context } from '../../terminal/context.ts';
import { bytes } from '../../terminal/format.ts';
import type { Board, Output } from '../../terminal/output.ts';
import { TransferRow } from '../../terminal/transfer-row.ts';

export type DependenciesOf = (job: JobSpec) => Job['dependencies'] | undefined;

/**
 * Fetches what the lock files of jobs demand, but of `kept` ones, and has the controller take it over. `close` removes it.
 * @throws {QuorateError} `LOCK_…`, `DEPENDENCIES_…`
 */
export async function bringDependencies(
  { out, home, env }: Context,
  client: Client,
  { jobs, lockFiles }: Pick<Prepared, 'jobs' | 'lockFiles'>,
  how: { kept: (job: string) => boolean; allowPrivate: boolean; signal: AbortSignal },
): Promise<{ of: DependenciesOf; close(): Promise<void> }> {
  const { kept, allowPrivate, signal } = how;
  const wanting = jobs.filter(({ job }) => job.dependencies !== undefined && !kept(job.name));
  if (wanting.length === 0) return { of: () => undefined, close: async () => {} };
  const { fetchTrees } = await import('../../member/dependencies.ts');
  const shown = new DependenciesShown(out);
  const fetched = await fetchTrees(
    wanting.map(({ job }) => job),
    lockFiles,
    { home, env, allowPrivate, signal, onProgress: shown.progress },
  ).finally(() => shown.end());
  try {
    for (const tree of fetched.trees) {
      const row = new TransferRow(out);
      const says = `sending dependencies ${escapeLine(tree, 100)}`;
      await client
        .bring(fetched.store, tree, (bytes, total) => row.set(says, bytes, total))
        .finally(() => row.end());
    }
    return fetched;
  } catch (error) {
    await fetched.close();
    throw error;
  }
}

/** Where rows cannot change in place, a line is printed this often. */
const lineMs = 10_000;

/** The row of dependencies that are fetched, erased at its end; elsewhere than on a terminal a line from time to time, and one at the end. */
export class DependenciesShown {
  readonly #out: Output;
  readonly #board: Board;
  readonly #meter = new TransferMeter();
  readonly #timer: NodeJS.Timeout;
  #last: FetchProgress | undefined;

  constructor(out: Output) {
    this.#out = out;
    this.#board = out.board();
    this.#timer = setInterval(() => this.#again(), lineMs).unref();
  }

  readonly progress = (progress: FetchProgress): void => {
    this.#last = progress;
    this.#meter.add(performance.now(), progress.bytes);
    if (!this.#board.live) return;
    this.#board.set('dependencies', {
      text: this.#text(progress),
      changing: () => this.#text(this.#last ?? progress),
    });
  };

  #again(): void {
    if (!this.#board.live && this.#last !== undefined) this.#out.say(this.#text(this.#last));
  }

  /** With the rate while files are missing. */
  #text(progress: FetchProgress): string {
    const rate = this.#meter.state(performance.now())?.bytesPerSecond ?? null;
    return `${textOf(progress)}${rate === null || progress.files === progress.filesTotal ? '' : `, ${bytes(rate)}/s`}`;
  }

  /** Says what is there for the build, where there is something. */
  end(): void {
    const last = this.#last;
    this.#last = undefined;
    clearInterval(this.#timer);
    this.#board.erase();
    if (last === undefined || last.files < last.filesTotal) return;
    this.#out.say(textOf(last));
    this.#out.value({ event: 'dependencies', files: last.files, fetchedBytes: last.bytes });
  }
}

function textOf({ files, filesTotal, bytes: received }: FetchProgress): string {
  const count = files < filesTotal ? `${files} of ${filesTotal}` : files;
  const what = filesTotal === 1 ? 'dependency' : 'dependencies';
  const isKept = received === 0 && files === filesTotal;
  return `${count} ${what}, ${isKept ? 'kept from an earlier build' : `${bytes(received)} fetched`}`;
}
