import { join } from 'node:path';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { type Entry, type Fixed, type Found, fileOfUrl } from '../../protocol/lock-formats/index.ts';
import { type Agent, openAgent } from './agent.ts';
import { DownloadCache } from './cache.ts';
import { type FetchOptions, placeOf } from './fetch.ts';
import { get, publicFirst, retried, shown } from './get.ts';
import { fetchLimits } from './limits.ts';
import { type Candidate, Registries } from './registries.ts';

/** Tags at the end of a wheel's name: of interpreter, ABI and platform (PEP 427). */
const wheel = /-([^-]+)-([^-]+)-([^-]+)\.whl$/;

/** Files of a package that its lock file allows: wheels for any platform, else for Linux (and `python`), else the source archive. */
export function choosePythonFiles(
  { name, version, integrity }: Found,
  listed: readonly { url: string; sha256: string }[],
  python: string | undefined,
): { files: { file: string; sha256: string }[]; why: string } | undefined {
  const allowed = listed
    .map(({ url, sha256 }) => ({ file: fileOfUrl(url), sha256 }))
    .filter(({ file, sha256 }) => integrity?.digests.includes(sha256) ?? isOf(file, name, version));
  const wheels = allowed.filter(({ file }) => wheel.test(file) && runsOn(file, python));
  const any = wheels.filter(({ file }) => file.endsWith('-any.whl'));
  if (any.length > 0) return { files: any, why: 'a wheel for any platform' };
  const linux = wheels.filter(({ file }) => /linux/.test(wheel.exec(file)?.[3] ?? ''));
  // Most images have the GNU C library; the others are taken where there is nothing for it.
  const gnu = linux.filter(({ file }) => !file.includes('musllinux'));
  const chosen = gnu.length > 0 ? gnu : linux;
  if (chosen.length > 0)
    return { files: chosen, why: `wheels for Linux${python === undefined ? '' : ` and Python ${python}`}` };
  const archives = allowed.filter(({ file }) => /\.(?:tar\.gz|zip)$/.test(file));
  return archives.length === 0
    ? undefined
    : { files: archives, why: 'the source archive: there is no wheel for Linux' };
}

/** Where the lock file has no hash: by its name. */
function isOf(file: string, name: string, version: string): boolean {
  const [before = ''] = file.split(`-${version}`);
  return before !== file && before.toLowerCase().replace(/[-_.]+/g, '-') === name;
}

function runsOn(file: string, python: string | undefined): boolean {
  if (python === undefined) return true;
  const [, interpreter = '', abi = ''] = wheel.exec(file) ?? [];
  const [major = '', minor = ''] = python.split('.');
  return interpreter.split('.').some((tag) => {
    if (tag === `cp${major}${minor}` || tag === `py${major}` || tag === `py${major}${minor}`) return true;
    const since = new RegExp(`^cp${major}(\\d+)$`).exec(tag)?.[1];
    return abi === `abi${major}` && since !== undefined && Number(since) <= Number(minor);
  });
}

export interface FixOptions extends Omit<FetchOptions, 'allowPrivate'> {
  /** Version of Python that wheels are for, such as `3.13`; absent: any. */
  python?: string | undefined;
}

export interface FixedFiles {
  of: Found;
  files: Fixed[];
  /** Why these, for people. */
  why: string;
}

/** Finds files that lock files leave open and their sha256, by the Python index or by fetching. @throws DEPENDENCIES_… with the place */
export function fixFiles(open: readonly Found[], options: FixOptions): Promise<FixedFiles[]> {
  return withFixer(options, open.length, async (fixer) => {
    const all: FixedFiles[] = [];
    for (const one of open) all.push(await fixer.fix(one));
    return all;
  });
}

/** The record of a file of no package. @throws DEPENDENCIES_… */
export function fixUrl(url: string, name: string, options: FixOptions): Promise<Fixed> {
  return withFixer(options, 1, async (fixer) => {
    fixer.name(url);
    const { sha256 } = await fixer.download({ url }, 'sha256').catch((error: unknown) => {
      options.signal.throwIfAborted();
      if (error instanceof QuorateError) throw error;
      throw new QuorateError('DEPENDENCIES_FETCH_FAILED', `${shown(url)} ${messageOf(error)}`, {
        hint: 'Check the address and the network. What was written before is as it was.',
        cause: error,
      });
    });
    fixer.done();
    return { purl: `pkg:generic/${name}`, file: name, sha256, url };
  });
}

async function withFixer<T>(
  options: FixOptions,
  filesTotal: number,
  use: (fixer: Fixer) => Promise<T>,
): Promise<T> {
  const agent = await openAgent(options);
  try {
    return await use(new Fixer(options, agent, filesTotal));
  } finally {
    await agent.destroy();
  }
}

class Fixer {
  readonly #options: FixOptions;
  readonly #agent: Agent;
  readonly #registries: Registries;
  readonly #progress: { files: number; filesTotal: number; bytes: number };

  constructor(options: FixOptions, agent: Agent, filesTotal: number) {
    const { env, signal } = options;
    this.#options = options;
    this.#agent = agent;
    this.#registries = new Registries({ env, agent, signal });
    this.#progress = { files: 0, filesTotal, bytes: 0 };
  }

  async fix(found: Found): Promise<FixedFiles> {
    try {
      const fixed = await (found.file === undefined ? this.#chosen(found) : this.#hashed(found, found.file));
      this.done();
      return { of: found, ...fixed };
    } catch (error) {
      this.#options.signal.throwIfAborted();
      if (error instanceof QuorateError) throw error;
      throw failed(found, [messageOf(error)]);
    }
  }

  name(url: string): void {
    this.#agent.name(url);
  }

  done(): void {
    this.#progress.files++;
    this.#options.onProgress?.({ ...this.#progress });
  }

  async #chosen(found: Found): Promise<Pick<FixedFiles, 'files' | 'why'>> {
    const listed = await this.#registries.pythonFiles(found.name);
    if (listed === undefined) throw failed(found, ['no index of Python packages is configured on this host']);
    const chosen = choosePythonFiles(found, listed, this.#options.python);
    const none = `of ${listed.length} files that the index lists, none is allowed by the lock file and for Linux`;
    if (chosen === undefined) throw failed(found, [none]);
    return { why: chosen.why, files: chosen.files.map((file) => ({ purl: found.purl, ...file })) };
  }

  async #hashed(found: Found, file: string): Promise<Pick<FixedFiles, 'files' | 'why'>> {
    const sha1 = /^sha1-(\S+)$/.exec(found.locked ?? '')?.[1];
    const reasons: string[] = [];
    for (const candidate of await this.#candidates(found, file)) {
      try {
        const { sha256, digest } = await this.download(candidate, sha1 === undefined ? 'sha256' : 'sha1');
        if (sha1 !== undefined && digest !== Buffer.from(sha1, 'base64').toString('hex'))
          throw new QuorateError(
            'DEPENDENCIES_DAMAGED',
            `${placeOf(found)}: ${shown(candidate.url)} sends bytes with another sha1 than the lock file says`,
            { hint: 'Do not change the lock file before you know who changed the bytes.' },
          );
        const isNamed = found.origin.kind !== 'git';
        const fixed = { purl: found.purl, file, sha256, ...(!isNamed && { url: candidate.url }) };
        return { files: [fixed], why: found.lacks ?? 'it has no hash' };
      } catch (error) {
        this.#options.signal.throwIfAborted();
        if (error instanceof QuorateError) throw error;
        reasons.push(`${shown(candidate.url)} ${messageOf(error)}`);
      }
    }
    throw failed(found, reasons);
  }

  #candidates(found: Found, file: string): Promise<Candidate[]> | Candidate[] {
    const { origin } = found;
    if (origin.kind === 'git') return archivesOf(origin).map((url) => ({ url }));
    const entry: Entry = { ...found, file, integrity: { algorithm: 'sha256', digests: [] } };
    return this.#registries.candidates(entry);
  }

  /** Files that take credentials lie apart in the cache. */
  download(candidate: Candidate, algorithm: 'sha1' | 'sha256'): Promise<{ sha256: string; digest: string }> {
    return publicFirst(candidate, (address) => this.#take(address, algorithm));
  }

  #take(candidate: Candidate, algorithm: 'sha1' | 'sha256'): Promise<{ sha256: string; digest: string }> {
    const { cache: dir, onProgress } = this.#options;
    const signal = AbortSignal.any([this.#options.signal, AbortSignal.timeout(fetchLimits.fileMs)]);
    const cache = new DownloadCache(candidate.authorization === undefined ? dir : join(dir, 'private'));
    return retried(signal, async () => {
      const bytesMax = fetchLimits.fileBytesMax;
      const body = await get(candidate, { agent: this.#agent, signal, bytesMax });
      const onBytes = (bytes: number) => {
        this.#progress.bytes += bytes;
        onProgress?.({ ...this.#progress });
      };
      return cache.keep(`to fix ${candidate.url}`, body, onBytes, algorithm);
    });
  }
}

/** Where servers of repositories have the archive of a commit. */
function archivesOf({ url, commit }: { url: string; commit: string }): string[] {
  const base = url
    .replace(/^(?:ssh|git):\/\/(?:git@)?/, 'https://')
    .replace(/\/+$/, '')
    .replace(/\.git$/, '');
  const gitlab = `${base}/-/archive/${commit}/${fileOfUrl(base)}-${commit}.tar.gz`;
  return [`${base}/archive/${commit}.tar.gz`, gitlab];
}

const failed = (found: Found, reasons: readonly string[]): QuorateError =>
  new QuorateError(
    'DEPENDENCIES_FETCH_FAILED',
    `${placeOf(found)}: ${found.purl} could not be fixed: ${reasons.join('; ')}`,
    { hint: 'Check the network and the registry, or write its line into quorate.lock by hand.' },
  );
