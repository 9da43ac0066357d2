import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { QuorateError } from '../protocol/base/errors.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { type ConnectServer, connectTo, fetchPack, NoPack } from './fetch-pack.ts';
import { type GitOptions, git, gitInTurn, type RunOptions, run, runScript } from './git.ts';
import { GitFailed } from './git-failed.ts';
import {
  type GitFolderReader,
  type GitFolderSource,
  type GitTag,
  isObjectOf,
  packGitFolder,
  readThrough,
} from './git-folder.ts';
import { sourceLimits } from './limits.ts';
import type { GitUrl } from './url.ts';
import { archiveArgs, hashOf, initRepository, WaitingGit } from './waiting-git.ts';

export interface CommitOptions extends GitOptions {
  /** An existing folder for temporary files. They are removed, but for those of a command from `wrap`, which must be able to write to it. */
  dir: string;
  /** A branch or tag that contains the commit, for servers that do not serve single commits. */
  ref?: string | undefined;
  /** Maximum size of the fetched objects in bytes. The reader must bound the size of the files: a small pack can hold a large tree. */
  maxBytes?: number | undefined;
  /** Read subject and author of the commit too. */
  words?: boolean | undefined;
  /** Read after the files: the git folder of the commit. */
  gitFolder?: GitFolderReader | undefined;
  /** Connects to the server, for what this process asks of it itself. Default: directly, unless git is wrapped. */
  connect?: ConnectServer | undefined;
  /** git that was started before with the same `wrap` and `start`, below `dir`, and reads this commit. Used or ended. */
  waiting?: WaitingGit | undefined;
}

/** Subject of a commit's message and name of its author, as git has them: text of others, in UTF-8. */
export interface CommitWords {
  subject: string;
  author: string;
}

export interface ReadCommit<T> {
  value: T;
  words?: CommitWords;
  /** The commit's committer time, in seconds since 1970: 0 where it has none that git can read, at most that of year 2242. */
  committedSeconds: number;
}

/** A temporary bare repository for one commit. */
export class Repository {
  readonly #gitDir: string;
  readonly #url: GitUrl | undefined;
  readonly #commit: string;
  readonly #options: CommitOptions;
  readonly #maxBytes: number;

  constructor(gitDir: string, url: GitUrl | undefined, commit: string, options: CommitOptions) {
    this.#gitDir = gitDir;
    this.#url = url;
    this.#commit = commit;
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? sourceLimits.bytesMax;
  }

  #git(args: string[], more: Partial<RunOptions> = {}): Promise<string> {
    return git(this.#url?.protocol, [`--git-dir=${this.#gitDir}`, ...args], this.#runOptions(more));
  }

  #runOptions(more: Partial<RunOptions>): RunOptions {
    const { signal, seconds, env, wrap, start } = this.#options;
    return { cwd: this.#gitDir, signal, seconds, env, wrap, start, ...more };
  }

  init(): void {
    initRepository(this.#gitDir, hashOf(this.#commit));
  }

  /** Fetches and archives in one sandbox. Undefined, with nothing read, if the server does not serve the single commit. */
  async fetchArchive<T>(read: (tar: Readable) => Promise<T>): Promise<ReadCommit<T> | undefined> {
    try {
      return (await this.#packArchive(read)) ?? (await this.#gitArchive(read));
    } catch (error) {
      if ((error instanceof NoPack || error instanceof GitFailed) && error.isMissing) return undefined;
      throw error;
    }
  }

  /** With a pack that this process fetches: git needs no network. Undefined where the server does not serve it so. */
  async #packArchive<T>(read: (tar: Readable) => Promise<T>): Promise<ReadCommit<T> | undefined> {
    const url = this.#url;
    if (url === undefined || url.protocol === 'ssh') return undefined;
    const { wrap, connect = wrap === undefined ? connectTo(url) : undefined } = this.#options;
    if (connect === undefined) return undefined;
    const end = new AbortController();
    let life = 0;
    const onLife = (): void => void life++;
    const asked = { url, connect, commit: this.#commit, signal: end.signal, onLife };
    const input = Readable.from(this.#bounded(fetchPack(asked)), { objectMode: false });
    try {
      const unpacked = (more: Partial<RunOptions>) => this.#unpacked({ ...more, input });
      return await this.#archived(read, unpacked, async () => life);
    } catch (error) {
      if (error instanceof NoPack && !error.isMissing) return undefined;
      throw error;
    } finally {
      end.abort();
    }
  }

  async #gitArchive<T>(read: (tar: Readable) => Promise<T>): Promise<ReadCommit<T>> {
    const calls = [this.#fetchArgs([this.#commit], ['--depth=1']), archiveArgs(this.#commit)].map((args) => [
      `--git-dir=${this.#gitDir}`,
      ...args,
    ]);
    const runGit = (more: Partial<RunOptions>) =>
      gitInTurn(this.#url?.protocol, calls, this.#runOptions({ ...more, reach: 'server' }));
    const done = await this.#archived(read, runGit, () => this.#checkSize());
    await this.#checkSize();
    return done;
  }

  #unpacked(more: Partial<RunOptions>): Promise<string> {
    const { signal, waiting } = this.#options;
    signal?.throwIfAborted();
    const git = waiting ?? WaitingGit.start(this.#gitDir, this.#options);
    return run(['git'], this.#runOptions({ ...more, started: git.use(this.#commit) }));
  }

  /** Runs git that gets the commit and archives it. `life` changes while something is received. */
  async #archived<T>(
    read: (tar: Readable) => Promise<T>,
    runGit: (more: Pick<RunOptions, 'watch' | 'read'>) => Promise<string>,
    life: () => Promise<number>,
  ): Promise<ReadCommit<T>> {
    let begun = false;
    const archive = this.#reading(read);
    await runGit({
      watch: () => (begun ? Promise.resolve(performance.now()) : life()),
      read: async (output) => {
        begun = await hasOutput(output);
        if (begun) await archive.read(output);
      },
    });
    return archive.result();
  }

  /** Throws where a pack is too large. */
  async *#bounded(pack: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    let bytes = 0;
    for await (const part of pack) {
      bytes += part.length;
      if (bytes > this.#maxBytes) throw this.#tooLarge();
      yield part;
    }
  }

  /** The same for a commit that has to be searched in what refs hold. */
  async searchArchive<T>(read: (tar: Readable) => Promise<T>): Promise<ReadCommit<T>> {
    // Servers before protocol version 2 serve advertised refs only.
    const { ref } = this.#options;
    const within = ref?.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
    for (const name of ref === undefined ? ['refs/heads/*'] : within) {
      const refspec = [`+${name}:refs/fetched/${name}`];
      for (const isShallow of [true, false])
        if ((await this.#tryFetch(refspec, isShallow)) && (await isObjectOf(this.#source, this.#commit)))
          return this.archive(read);
    }
    throw this.#notFound();
  }

  /** Fetches an annotated tag of the commit, if the server has it. */
  async fetchTag({ name, object }: GitTag): Promise<void> {
    if (object === this.#commit || (await this.#tryFetch([object], true))) return;
    await this.#tryFetch([`+refs/tags/${name}:refs/fetched/tag`], true);
  }

  get #source(): GitFolderSource {
    return {
      commit: this.#commit,
      git: (args, more) => this.#git(args, more),
      sh: (script, args, more = {}) => runScript(this.#gitDir, script, args, this.#runOptions(more)),
    };
  }

  packGitFolder(reader: GitFolderReader): Promise<void> {
    return packGitFolder(this.#source, reader);
  }

  /** Of a commit object of any length its beginning counts; the same each time. */
  async words(): Promise<CommitWords> {
    const parts: Buffer[] = [];
    let bytes = 0;
    // Other commands look for its parents, which are not here.
    await this.#git(['cat-file', 'commit', this.#commit], {
      read: async (output) => {
        for await (const chunk of output as AsyncIterable<Buffer>) {
          if (bytes < sourceLimits.commitBytesMax) parts.push(chunk);
          bytes += chunk.length;
        }
      },
    });
    return wordsOf(Buffer.concat(parts).subarray(0, sourceLimits.commitBytesMax));
  }

  #notFound(): QuorateError {
    const of = this.#url === undefined ? '' : ` of ${this.#url.href}`;
    const says = `the server does not serve commit ${this.#commit}${of}`;
    return new QuorateError('SOURCE_COMMIT_NOT_FOUND', says, {
      hint: 'Push the commit; when its branch has moved on, keep it reachable by a branch or tag.',
    });
  }

  /** False if the server does not have or does not serve the requested refs. */
  async #tryFetch(refspec: string[], shallow: boolean): Promise<boolean> {
    const depth = shallow ? ['--depth=1'] : (await this.#isShallow()) ? ['--unshallow'] : [];
    try {
      const watch = () => this.#checkSize();
      await this.#git(this.#fetchArgs(refspec, depth), { reach: 'server', watch });
    } catch (error) {
      if (error instanceof GitFailed && error.isMissing) return false;
      throw error;
    }
    await this.#checkSize();
    return true;
  }

  #fetchArgs(refspec: string[], depth: string[]): string[] {
    const flags = ['--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--progress'];
    return ['fetch', ...flags, ...depth, '--end-of-options', this.#url?.href ?? '', ...refspec];
  }

  async #isShallow(): Promise<boolean> {
    return (await this.#git(['rev-parse', '--is-shallow-repository'])).trim() === 'true';
  }

  async #checkSize(): Promise<number> {
    const size = await folderBytes(this.#gitDir);
    if (size > this.#maxBytes) throw this.#tooLarge();
    return size;
  }

  #tooLarge(): QuorateError {
    return new QuorateError('SOURCE_TOO_LARGE', `the source is over ${sizeText(this.#maxBytes)}`, {
      hint: 'Make the repository smaller. Where a job fetches it, the disk of the job is the limit: `limits: {disk: …}` in its job file.',
    });
  }

  async archive<T>(read: (tar: Readable) => Promise<T>): Promise<ReadCommit<T>> {
    const archive = this.#reading(read);
    await this.#git(archiveArgs(this.#commit), {
      // The reader sets the pace, so there is no idle timeout.
      watch: async () => performance.now(),
      read: (output) => archive.read(output),
    });
    return archive.result();
  }

  /** Passes an archive to its reader; `result` once git has ended well. */
  #reading<T>(read: (tar: Readable) => Promise<T>): {
    read(output: Readable): Promise<void>;
    result(): ReadCommit<T>;
  } {
    let result: ReadCommit<T> | undefined;
    let committedSeconds = 0;
    return {
      read: async (output) => {
        const tar = this.#ofCommit((seconds) => {
          committedSeconds = seconds;
        });
        result = { value: await readThrough(output, tar, read), committedSeconds };
      },
      result: () => {
        if (result === undefined) throw new Error('assertion failed: git exited 0 without output');
        return result;
      },
    };
  }

  /** Checks that the archive is of this commit (git-get-tar-commit-id(1)), not of a tree or tag, and passes on the committer time. */
  #ofCommit(onTime: (seconds: number) => void): Transform {
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
        onTime(tarSeconds(all));
        return callback(null, all);
      },
      flush: (callback) => callback(start === undefined ? null : notFound),
    });
  }
}

/** Author and subject in a commit object (git-commit-tree(1)): the subject ends with the first empty line of the message. */
function wordsOf(object: Buffer): CommitWords {
  const [, encoding = 'UTF-8'] = /\nencoding ([\w-]{1,40})\n/.exec(headOf(object.toString('latin1'))) ?? [];
  const text = decoded(object, encoding);
  const [, author = ''] = /\nauthor ([^<\n]*)/.exec(headOf(text)) ?? [];
  const subject = /^\n*([\s\S]*?)(?:\n\s*\n|$)/.exec(text.slice(headOf(text).length))?.[1] ?? '';
  const lines = subject.split('\n').map((line) => line.trim());
  return { subject: lines.join(' ').trim(), author: author.trim() };
}

const headOf = (text: string): string => text.slice(0, `${text}\n\n`.indexOf('\n\n') + 1);

function decoded(bytes: Buffer, encoding: string): string {
  try {
    return new TextDecoder(encoding).decode(bytes);
  } catch {
    return bytes.toString('utf8');
  }
}

/** Waits for the first byte of a stream, which stays in it; false where it ends before. */
async function hasOutput(output: Readable): Promise<boolean> {
  await Promise.race([once(output, 'readable'), once(output, 'close')]);
  return output.readableLength > 0;
}

/** Modification time of the first entry of a tar archive in seconds (POSIX ustar: octal, at byte 136). */
function tarSeconds(archive: Buffer): number {
  const digits = /^[0-7]+/.exec(archive.toString('latin1', 136, 147))?.[0] ?? '0';
  return Number.parseInt(digits, 8);
}

/** Total size of the files below a folder in bytes. Files that disappear meanwhile are ignored. */
async function folderBytes(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) bytes += await folderBytes(path);
    else bytes += (await stat(path).catch(() => ({ size: 0 }))).size;
  }
  return bytes;
}
