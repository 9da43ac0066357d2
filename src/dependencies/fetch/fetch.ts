import { join } from 'node:path';
import { type ErrorCode, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import type { Entry } from '../../protocol/lock-formats/index.ts';
import { type Agent, openAgent, type Reach } from './agent.ts';
import { DownloadCache, type FetchedFile, WrongHash } from './cache.ts';
import { type Address, type Got, get, NoAnswer, publicFirst, retried, shown, TooLong } from './get.ts';
import { fetchLimits } from './limits.ts';
import { type Candidate, Registries } from './registries.ts';

export interface FetchOptions {
  cache: string;
  /** Where the package managers of this host have their configuration. */
  env: NodeJS.ProcessEnv;
  /** Whether files may be fetched that need credentials. */
  allowPrivate: boolean;
  reach: Reach;
  signal: AbortSignal;
  onProgress?(progress: FetchProgress): void;
}

export interface FetchProgress {
  files: number;
  filesTotal: number;
  bytes: number;
}

/**
 * Fetches the files of lock files from the registries that they and this host's package managers name. No package manager runs
 * meanwhile; bytes count by their hash. What was fetched before comes from the cache.
 * @throws DEPENDENCIES_…; the message begins with the place in the lock file
 */
export async function fetchDependencies(
  entries: readonly Entry[],
  options: FetchOptions,
): Promise<Map<Entry, FetchedFile>> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const agent = await openAgent(options);
  const fetcher = new Fetcher(entries.length, { ...options, signal }, agent);
  const found = new Map<Entry, FetchedFile>();
  const waiting = entries.values();
  const worker = async (): Promise<void> => {
    for (const entry of waiting) found.set(entry, await fetcher.fetch(entry));
  };
  try {
    await Promise.all(Array.from({ length: fetchLimits.parallel }, worker));
    await fetcher.trim();
    return found;
  } finally {
    stop.abort();
    await agent.destroy();
  }
}

class Fetcher {
  readonly #options: FetchOptions;
  readonly #agent: Agent;
  readonly #registries: Registries;
  readonly #cache: DownloadCache;
  /** Files that took credentials, so that they are not taken for public later. */
  readonly #private: DownloadCache;
  readonly #progress: FetchProgress;
  /** Files being fetched: two entries may be of one file, and would write to one. */
  readonly #taking = new Map<string, Promise<FetchedFile>>();
  #total = 0;

  constructor(filesTotal: number, options: FetchOptions, agent: Agent) {
    const { env, signal } = options;
    this.#options = options;
    this.#agent = agent;
    this.#registries = new Registries({ env, agent, signal });
    this.#cache = new DownloadCache(options.cache);
    this.#private = new DownloadCache(join(options.cache, 'private'));
    this.#progress = { files: 0, filesTotal, bytes: 0 };
  }

  async fetch(entry: Entry): Promise<FetchedFile> {
    const file = (await this.#kept(entry)) ?? (await this.#download(entry));
    this.#total += file.size;
    const { totalBytesMax } = fetchLimits;
    if (this.#total > totalBytesMax)
      throw new QuorateError(
        'DEPENDENCIES_TOO_LARGE',
        `${placeOf(entry)}: all files together have more than ${totalBytesMax} bytes`,
      );
    this.#progress.files++;
    this.#options.onProgress?.({ ...this.#progress });
    return file;
  }

  async #kept(entry: Entry): Promise<FetchedFile | undefined> {
    const found = await this.#cache.find(entry);
    return found ?? (this.#options.allowPrivate ? this.#private.find(entry) : undefined);
  }

  trim(): Promise<void> {
    return this.#cache.trim();
  }

  async #download(entry: Entry): Promise<FetchedFile> {
    const signal = AbortSignal.any([this.#options.signal, AbortSignal.timeout(fetchLimits.fileMs)]);
    const candidates = await this.#registries.candidates(entry).catch((error: unknown) => {
      throw error instanceof NoAnswer ? failed(entry, [error.message], [error]) : error;
    });
    const reasons: string[] = [];
    const errors: unknown[] = [];
    for (const candidate of candidates) {
      try {
        return await this.#from(candidate, entry, signal);
      } catch (error) {
        this.#options.signal.throwIfAborted();
        if (error instanceof QuorateError) throw located(entry, candidate, error);
        errors.push(error);
        reasons.push(`${shown(candidate.url)} ${messageOf(error)}`);
      }
    }
    throw failed(entry, reasons, errors);
  }

  #from(candidate: Candidate, entry: Entry, signal: AbortSignal): Promise<FetchedFile> {
    const take = (address: Address) => this.#take(address, entry, signal);
    return publicFirst(candidate, take, (error) => {
      if (this.#options.allowPrivate) return;
      throw new QuorateError(
        'DEPENDENCIES_PRIVATE',
        `the registry of this host gives it to authorised clients only (${error.message})`,
        { hint: 'All workers of the project get to read it. If they may: --private.' },
      );
    });
  }

  #take(candidate: Candidate, entry: Entry, signal: AbortSignal): Promise<FetchedFile> {
    const key = `${entry.integrity.digests.join()} ${candidate.url}`;
    const cache = candidate.authorization === undefined ? this.#cache : this.#private;
    const once = `${candidate.authorization ?? ''} ${key}`;
    const taking =
      this.#taking.get(once) ??
      this.#taken(candidate, entry, { key, cache, signal }).finally(() => this.#taking.delete(once));
    this.#taking.set(once, taking);
    return taking;
  }

  async #taken(
    candidate: Candidate,
    entry: Entry,
    { key, cache, signal }: { key: string; cache: DownloadCache; signal: AbortSignal },
  ): Promise<FetchedFile> {
    try {
      return await retried(signal, async () => {
        const body = await this.#open(candidate, await cache.claim(key), signal);
        return cache.take(key, entry, body, (bytes) => {
          this.#progress.bytes += bytes;
          this.#options.onProgress?.({ ...this.#progress });
        });
      });
    } finally {
      await cache.leave(key);
    }
  }

  async #open(candidate: Candidate, from: number, signal: AbortSignal): Promise<Got> {
    const options = { agent: this.#agent, signal, bytesMax: fetchLimits.fileBytesMax };
    try {
      return await get(candidate, { ...options, from });
    } catch (error) {
      // The part here is as long as the file, or longer: begins again.
      if (from > 0 && error instanceof NoAnswer && error.status === 416) return get(candidate, options);
      throw error;
    }
  }
}

export const placeOf = ({ lock, line }: Pick<Entry, 'lock' | 'line'>): string => `${lock}:${line}`;

const located = (entry: Entry, { url }: Candidate, error: QuorateError): QuorateError =>
  new QuorateError(error.code, `${placeOf(entry)}: ${entry.purl} from ${shown(url)}: ${error.message}`, {
    hint: error.hint,
    cause: error,
  });

/** Wrong bytes are told before too many, and these before none. */
function failed(entry: Entry, reasons: readonly string[], errors: readonly unknown[]): QuorateError {
  const error = (code: ErrorCode, what: string, hint: string): QuorateError =>
    new QuorateError(code, `${placeOf(entry)}: ${entry.purl} ${what}: ${reasons.join('; ')}`, {
      hint,
      cause: errors.at(-1),
    });
  if (errors.some((one) => one instanceof WrongHash))
    return error(
      'DEPENDENCIES_DAMAGED',
      'is not what the lock file names',
      'Do not change the lock file before you know who changed the bytes.',
    );
  if (errors.some((one) => one instanceof TooLong))
    return error(
      'DEPENDENCIES_TOO_LARGE',
      'is larger than a dependency may be',
      'Remove it from the lock file, or find out who sends more than there is.',
    );
  return error(
    'DEPENDENCIES_FETCH_FAILED',
    'could not be fetched',
    'Check the network and the registry. What was fetched is kept: the next try goes on there.',
  );
}
