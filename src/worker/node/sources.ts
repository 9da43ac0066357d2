import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfinedGit, openConfinedGit } from '../../execution/confined-git.ts';
import { importSource } from '../../execution/import-source.ts';
import { randomNonce } from '../../identity/idp.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import type { Job } from '../../protocol/documents/index.ts';
import { WaitingGit } from '../../source/index.ts';
import type { Area } from '../../store/index.ts';
import { CheckoutAhead, type CheckoutLimits } from './checkout-ahead.ts';
import type { WorkerContext } from './context.ts';
import { workerNodeLimits } from './limits.ts';

/** The checked-out tree of a job's commit, in a sealed area of the store. */
export interface Source {
  readonly area: Area;
  /** Committer time of the commit in seconds since 1970. */
  readonly committedSeconds: number;
  /** CID of the commit's git folder, for a job with one; in the same area. */
  readonly git: string | undefined;
  close(): Promise<void>;
}

interface FetchOptions {
  signal: AbortSignal;
  /** A line of the build's log. */
  say(text: string): void;
}

interface Kept extends Omit<Source, 'close'> {
  tree: string;
  bytes: number;
  /** Builds that read it now; it is discarded only at 0. */
  readers: number;
}

/**
 * Sources of commits, fetched from their servers by this worker itself. A recent one is kept for the next build of the same
 * commit: the commit id is a hash of its content, so it cannot be outdated. Not kept over a restart.
 */
export class Sources {
  readonly #context: WorkerContext;
  /** By URL, commit and git folder, the one used longest ago first. */
  readonly #kept = new Map<string, Kept>();
  /** Removals of scratch folders that have not ended yet. */
  readonly #removing = new Set<Promise<unknown>>();
  readonly #ahead: CheckoutAhead;
  /** Whether a commit was fetched since the last sandbox was started ahead: only then is the next one likely to be fetched. */
  #hasFetched = false;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#ahead = new CheckoutAhead(context);
  }

  /** Starts a sandbox of git ahead of the next commit, unless one waits or no commit was fetched since. @throws `SANDBOX_…` */
  async startNext(limits: CheckoutLimits): Promise<void> {
    if (!this.#hasFetched) return;
    this.#hasFetched = false;
    await this.#ahead.start(limits);
  }

  /** Ends the sandbox that waits for the next commit. */
  dismiss(): Promise<void> {
    return this.#ahead.drop();
  }

  /** @throws `SOURCE_…`, `STORE_…`; `SOURCE_TREE_MISMATCH` when the commit holds another tree than the job says. */
  async open(job: Job, ref: string, { signal, say }: FetchOptions): Promise<Source> {
    const { url, commit } = job.source;
    // A git folder with another tag is another one.
    const key = [url, commit, job.git && JSON.stringify(job.git)].join(' ');
    let kept = this.#kept.get(key);
    if (kept !== undefined && kept.bytes <= job.limits.diskBytes) {
      say(`${commit} from ${url} is here from an earlier build`);
      this.#kept.delete(key);
    } else {
      say(`fetching ${commit} from ${url}`);
      kept = await this.#fetch(job, ref, { signal, say });
    }
    // Of two builds that fetched the same at the same time one is kept.
    if (!this.#kept.has(key)) this.#kept.set(key, kept);
    kept.readers++;
    try {
      checkTree(job, kept);
    } catch (error) {
      await this.#release(key, kept);
      throw error;
    }
    const { area, committedSeconds, git } = kept;
    return { area, committedSeconds, git, close: () => this.#release(key, kept) };
  }

  async #fetch({ source, git, limits: of }: Job, ref: string, { signal, say }: FetchOptions): Promise<Kept> {
    const { store } = this.#context;
    const { url, commit } = source;
    const area = store.sealed(`source-${randomNonce()}`);
    try {
      const to = { url, commit, ref, git, into: area, maxBytes: of.diskBytes, signal };
      const { root, ...made } = await this.#inSandbox(
        source,
        of,
        say,
        ({ dir, wrap, start, connect, waiting }) =>
          importSource(store, { ...to, dir, wrap, start, connect, waiting }),
      );
      const { committedSeconds } = made;
      const bytes = made.bytes + (made.git?.bytes ?? 0);
      return { area, tree: root, committedSeconds, git: made.git?.root, bytes, readers: 0 };
    } catch (error) {
      await store.discard(area);
      throw error;
    }
  }

  /** Git of a worker never runs as its user. */
  async #inSandbox<T>(
    { url, commit }: Job['source'],
    { cpus, memoryBytes, diskBytes }: Job['limits'],
    say: (text: string) => void,
    use: (git: ConfinedGit) => Promise<T>,
  ): Promise<T> {
    const { dir, credentials, bandwidth, gate } = this.#context;
    const ahead = WaitingGit.reads(commit) ? this.#ahead.take({ cpus, memoryBytes }) : undefined;
    this.#hasFetched = true;
    const scratch = ahead?.scratch ?? (await mkdtemp(join(dir, 'tmp-')));
    let git: ConfinedGit | undefined;
    try {
      const place = { stateDir: join(dir, 'sandbox'), scratch, cpus, memoryBytes, bytesMax: diskBytes };
      git = await openConfinedGit({
        ...place,
        ahead: ahead?.git,
        url,
        vcs: credentials.charter.vcs,
        bandwidth,
        gate,
        say: (text) => say(`git: ${text}`),
      });
      return await use(git);
    } catch (error) {
      throw git?.explain(error) ?? error;
    } finally {
      this.#remove(scratch, git);
    }
  }

  /** Removes a scratch folder in the background; only `close` waits for it. After a crash the next start removes the folder. */
  #remove(scratch: string, git: ConfinedGit | undefined): void {
    const removing = (git?.close() ?? Promise.resolve())
      .finally(() => rm(scratch, { recursive: true, force: true, maxRetries: 5 }))
      .catch((error: unknown) => this.#context.tell('warn', 'source', `source: ${messageOf(error)}`))
      .finally(() => this.#removing.delete(removing));
    this.#removing.add(removing);
  }

  async #release(key: string, kept: Kept): Promise<void> {
    const { store } = this.#context;
    kept.readers--;
    if (kept.readers > 0) return;
    if (this.#kept.get(key) !== kept) await store.discard(kept.area);
    const { sourcesKeptMax, sourcesKeptBytesMax } = workerNodeLimits;
    for (const [oldest, { area, readers }] of this.#kept) {
      const bytes = [...this.#kept.values()].reduce((sum, one) => sum + one.bytes, 0);
      if (this.#kept.size <= sourcesKeptMax && bytes <= sourcesKeptBytesMax) return;
      if (readers > 0) continue;
      this.#kept.delete(oldest);
      await store.discard(area);
    }
  }

  /** Discards the kept sources: the next start has no use for them. */
  async close(): Promise<void> {
    await this.dismiss();
    const kept = [...this.#kept.values()];
    this.#kept.clear();
    for (const { area } of kept) await this.#context.store.discard(area);
    await Promise.all(this.#removing);
  }
}

function checkTree({ source }: Job, { tree }: Kept): void {
  if (tree === source.tree) return;
  const says = `commit ${source.commit} holds tree ${tree}, the job says ${source.tree}`;
  throw new QuorateError('SOURCE_TREE_MISMATCH', says, { hint: 'Publish the job again, with quorate run.' });
}
