import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { sizeText } from '../core/quantity.ts';
import { explain, GitFailed, type GitOptions, git, type RunOptions } from './git.ts';
import { sourceLimits } from './limits.ts';
import { checkRef, type GitProtocol, isCommitId, parseGitUrl } from './url.ts';

export interface CommitOptions extends GitOptions {
  /** An existing folder to work in; nothing is left there. `wrap` has to give git this folder. */
  dir: string;
  /** The branch or tag the commit is on, for servers that hand out no single commits. */
  ref?: string | undefined;
  /** Of what is fetched. How large the files get is the reader's to bound: a small pack can hold a huge tree. */
  maxBytes?: number | undefined;
}

/**
 * Fetches one commit and gives its files to `read` as a tar archive (what "git archive" writes), as they are in the
 * repository: no hook, filter, LFS, line-end or keyword conversion, submodule, prompt or foreign configuration takes
 * part, so that every machine gets the same tree. Submodules are empty folders. The archive is as hostile as its author:
 * links and names are not judged here. An archive that broke off makes `readCommit` fail, whatever `read` made of it.
 * @throws SOURCE_COMMIT_NOT_FOUND, SOURCE_TOO_LARGE, SOURCE_TIMEOUT, SOURCE_STALLED, SOURCE_UNREACHABLE,
 * SOURCE_NOT_FOUND, SOURCE_DENIED, SOURCE_REDIRECTED, SOURCE_SERVER_ERROR, SOURCE_GIT_MISSING, SOURCE_COMMIT_INVALID,
 * SOURCE_FAILED, the codes of `parseGitUrl`, and what `read` throws
 */
export async function readCommit<T>(
  url: string,
  commit: string,
  options: CommitOptions,
  read: (tar: Readable) => Promise<T>,
): Promise<T> {
  const { href, protocol } = parseGitUrl(url);
  if (!isCommitId(commit)) {
    throw new QuorateError(
      'SOURCE_COMMIT_INVALID',
      `${JSON.stringify(commit.slice(0, 80))} is not a full commit id`,
      {
        hint: 'Give all 40 (or 64) digits, in lower case.',
      },
    );
  }
  if (options.ref !== undefined) checkRef(options.ref);
  const gitDir = await mkdtemp(join(options.dir, '.source-'));
  const started = performance.now();
  const left = (): number =>
    Math.max(0.1, (options.seconds ?? limits.gitSecondsMax) - (performance.now() - started) / 1000);
  try {
    const repository = new Repository(gitDir, href, protocol, commit, {
      ...options,
      get seconds() {
        return left();
      },
    });
    await repository.init();
    await repository.fetch();
    return await repository.archive(read);
  } catch (error) {
    throw explain(error, `cannot check out ${commit}`);
  } finally {
    // Where it ran elsewhere, what was killed may be a moment longer in there than its output.
    await rm(gitDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * The same of a commit in a repository on this machine: nothing is fetched, and nothing of that repository but its objects
 * is looked at, so that the files are those a worker gets.
 * @param objects the folder of its objects
 * @throws SOURCE_TIMEOUT, SOURCE_GIT_MISSING, SOURCE_FAILED, and what `read` throws
 */
export async function readLocalCommit<T>(
  objects: string,
  commit: string,
  options: CommitOptions,
  read: (tar: Readable) => Promise<T>,
): Promise<T> {
  const gitDir = await mkdtemp(join(options.dir, '.source-'));
  try {
    const repository = new Repository(gitDir, '', undefined, commit, options);
    await repository.init();
    // gitrepository-layout(5)
    await mkdir(join(gitDir, 'objects', 'info'));
    await writeFile(join(gitDir, 'objects', 'info', 'alternates'), `${objects}\n`);
    return await repository.archive(read);
  } catch (error) {
    throw explain(error, `cannot check out ${commit}`);
  } finally {
    // Where it ran elsewhere, what was killed may be a moment longer in there than its output.
    await rm(gitDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A bare repository that will hold one commit. */
class Repository {
  readonly #gitDir: string;
  readonly #href: string;
  readonly #protocol: GitProtocol | undefined;
  readonly #commit: string;
  readonly #options: CommitOptions;
  readonly #maxBytes: number;

  constructor(
    gitDir: string,
    href: string,
    protocol: GitProtocol | undefined,
    commit: string,
    options: CommitOptions,
  ) {
    this.#gitDir = gitDir;
    this.#href = href;
    this.#protocol = protocol;
    this.#commit = commit;
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? sourceLimits.bytesMax;
  }

  #git(args: string[], more: Partial<RunOptions> = {}): Promise<string> {
    const { signal, seconds, idleSeconds, env, wrap } = this.#options;
    return git(this.#protocol, [`--git-dir=${this.#gitDir}`, ...args], {
      cwd: this.#gitDir,
      signal,
      seconds,
      idleSeconds,
      env,
      wrap,
      ...more,
    });
  }

  /** What "git init --bare" makes (gitrepository-layout(5)), without a process and without templates. */
  async init(): Promise<void> {
    const sha256 = this.#commit.length === 64;
    const files = {
      HEAD: 'ref: refs/heads/none\n',
      config: `[core]\n\trepositoryformatversion = ${sha256 ? 1 : 0}\n\tbare = true\n${sha256 ? '[extensions]\n\tobjectformat = sha256\n' : ''}`,
      // These win over any .gitattributes of the tree, on every version of git.
      'info/attributes':
        '* !text !eol !crlf !ident !filter !working-tree-encoding !export-ignore !export-subst\n',
    };
    for (const folder of ['objects', 'refs', 'info']) await mkdir(join(this.#gitDir, folder));
    for (const [name, text] of Object.entries(files)) await writeFile(join(this.#gitDir, name), text);
  }

  async fetch(): Promise<void> {
    if (await this.#tryFetch([this.#commit], true)) return;
    // Servers before protocol 2 hand out tips only, by their names.
    const { ref } = this.#options;
    const names =
      ref === undefined
        ? ['refs/heads/*']
        : ref.startsWith('refs/')
          ? [ref]
          : [`refs/heads/${ref}`, `refs/tags/${ref}`];
    for (const name of names) {
      const refspec = [`+${name}:refs/fetched/${name}`];
      if ((await this.#tryFetch(refspec, true)) && (await this.#isHere())) return;
      if ((await this.#tryFetch(refspec, false)) && (await this.#isHere())) return;
    }
    throw this.#notFound();
  }

  #notFound(): QuorateError {
    return new QuorateError(
      'SOURCE_COMMIT_NOT_FOUND',
      `the repository does not hand out commit ${this.#commit}`,
      {
        hint: 'Push the commit; when its branch has moved on, keep it reachable by a branch or tag.',
      },
    );
  }

  /** False when the server does not have, or not hand out, what was asked. */
  async #tryFetch(refspec: string[], shallow: boolean): Promise<boolean> {
    const depth = shallow ? ['--depth=1'] : (await this.#isShallow()) ? ['--unshallow'] : [];
    const args = [
      'fetch',
      '--no-tags',
      '--no-write-fetch-head',
      '--no-recurse-submodules',
      '--progress',
      ...depth,
    ];
    try {
      await this.#git([...args, '--end-of-options', this.#href, ...refspec], {
        reach: 'server',
        watch: () => this.#checkSize(),
      });
    } catch (error) {
      if (error instanceof GitFailed && error.isMissing) return false;
      throw error;
    }
    await this.#checkSize();
    return true;
  }

  async #isHere(): Promise<boolean> {
    try {
      const found = await this.#git(['rev-parse', '--verify', '--quiet', `${this.#commit}^{commit}`]);
      return found.trim() === this.#commit;
    } catch (error) {
      if (error instanceof GitFailed) return false;
      throw error;
    }
  }

  async #isShallow(): Promise<boolean> {
    return (await this.#git(['rev-parse', '--is-shallow-repository'])).trim() === 'true';
  }

  async #checkSize(): Promise<number> {
    const size = await folderBytes(this.#gitDir);
    if (size > this.#maxBytes) {
      throw new QuorateError('SOURCE_TOO_LARGE', `the source is over ${sizeText(this.#maxBytes)}`, {
        hint: 'Make the repository smaller, or raise the limit for source.',
      });
    }
    return size;
  }

  async archive<T>(read: (tar: Readable) => Promise<T>): Promise<T> {
    let result: { value: T } | undefined;
    await this.#git(['-c', 'tar.umask=0', 'archive', '--format=tar', this.#commit], {
      // How fast it goes is the reader's affair.
      watch: async () => performance.now(),
      read: async (output) => {
        const tar = this.#ofCommit();
        const reading = read(tar);
        const piping = pipeline(output, tar);
        // A reader may stop at the archive's end mark; the padding behind it still has to flow.
        reading.then(
          () => tar.resume(),
          () => tar.destroy(),
        );
        const [taken, piped] = await Promise.allSettled([reading, piping]);
        if (piped.status === 'rejected' && (taken.status === 'fulfilled' || isOurs(piped.reason)))
          throw piped.reason;
        if (taken.status === 'rejected') throw taken.reason;
        result = { value: taken.value };
      },
    });
    if (result === undefined) throw new Error('git ended well, yet nothing was read');
    return result.value;
  }

  /** Passes on an archive that begins with the id of the commit (git-get-tar-commit-id(1)): that of a tree or a tag does not. */
  #ofCommit(): Transform {
    const comment = ` comment=${this.#commit}\n`;
    const notFound = this.#notFound();
    let start: Buffer | undefined = Buffer.alloc(0);
    return new Transform({
      transform(chunk: Buffer, _encoding, callback) {
        if (start === undefined) return callback(null, chunk);
        const all = Buffer.concat([start, chunk]);
        start = all;
        if (all.length < 1024) return callback();
        if (!all.subarray(512, 1024).toString('latin1').includes(comment)) return callback(notFound);
        start = undefined;
        return callback(null, all);
      },
      flush: (callback) => callback(start === undefined ? null : notFound),
    });
  }
}

const isOurs = (error: unknown): boolean => error instanceof QuorateError;

/** Bytes of the files below a folder; what vanishes meanwhile counts nothing. */
async function folderBytes(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) bytes += await folderBytes(path);
    else bytes += (await stat(path).catch(() => ({ size: 0 }))).size;
  }
  return bytes;
}
