import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { explain, GitFailed, type GitOptions, git, type RunOptions } from './git.ts';
import { checkRef, type GitProtocol, isCommitId, parseGitUrl } from './url.ts';

export interface Resolved {
  /** Full commit id. */
  commit: string;
  /** Full name of the branch or tag; absent when a commit id was asked for. */
  ref?: string;
}

/**
 * Asks a server which commit a branch, a tag or `HEAD` is at now; a full commit id is returned as it is.
 * @throws SOURCE_REF_NOT_FOUND, SOURCE_REF_AMBIGUOUS, SOURCE_REF_INVALID and the codes of `checkout`
 */
export async function resolveRef(url: string, ref: string, options: GitOptions = {}): Promise<Resolved> {
  const { href, protocol } = parseGitUrl(url);
  if (isCommitId(ref)) return { commit: ref };
  checkRef(ref);
  const names = ref === 'HEAD' || ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  const patterns = names.flatMap((name) => [name, `${name}^{}`]);
  let text: string;
  try {
    text = await git(protocol, ['ls-remote', '--', href, ...patterns], { ...options, cwd: '/' });
  } catch (error) {
    throw explain(error, `cannot look up ${ref}`);
  }
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [commit, name] = line.split('\t');
    if (commit !== undefined && name !== undefined && isCommitId(commit)) found.set(name, commit);
  }
  const matches = names.flatMap((name): Resolved[] => {
    const commit = found.get(`${name}^{}`) ?? found.get(name);
    return commit === undefined ? [] : [{ commit, ref: name }];
  });
  const [first, second] = matches;
  if (first === undefined) {
    throw new QuorateError(
      'SOURCE_REF_NOT_FOUND',
      `the repository has no branch or tag ${JSON.stringify(ref)}`,
      {
        hint: 'Check the name, and that it was pushed.',
      },
    );
  }
  if (second !== undefined && second.commit !== first.commit) {
    throw new QuorateError('SOURCE_REF_AMBIGUOUS', `${JSON.stringify(ref)} is both a branch and a tag`, {
      hint: `Write refs/heads/${ref} or refs/tags/${ref}.`,
    });
  }
  return first;
}

export interface CheckoutOptions extends GitOptions {
  /** The branch or tag the commit is on, for servers that hand out no single commits. */
  ref?: string | undefined;
  /** Of what is fetched, and again of the files. */
  maxBytes?: number | undefined;
}

export interface CheckedOut {
  files: number;
  /** Of file content. */
  bytes: number;
  /** Paths of submodules, which are left as empty folders; the first hundred. */
  submodules: string[];
}

const submodulesMax = 100;

/**
 * Fetches one commit and writes its files to `dest`, as they are in the repository: no hook, filter, LFS, line-end or
 * keyword conversion, submodule, prompt or foreign configuration takes part, so that every machine gets the same tree.
 * No `.git` is left. What symbolic links point to is not judged here. Git works in `dest` and in a folder beside it, so
 * `wrap` has to give it `dest`'s parent.
 * @throws SOURCE_COMMIT_NOT_FOUND, SOURCE_TOO_LARGE, SOURCE_TIMEOUT, SOURCE_STALLED, SOURCE_UNREACHABLE,
 * SOURCE_NOT_FOUND, SOURCE_DENIED, SOURCE_REDIRECTED, SOURCE_BAD_SERVER, SOURCE_DEST_NOT_EMPTY, SOURCE_GIT_MISSING,
 * SOURCE_COMMIT_INVALID, SOURCE_FAILED, and the codes of `parseGitUrl`
 */
export async function checkout(
  url: string,
  commit: string,
  dest: string,
  options: CheckoutOptions = {},
): Promise<CheckedOut> {
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
  const target = resolve(dest);
  const existing = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing !== undefined && existing.length > 0) {
    throw new QuorateError('SOURCE_DEST_NOT_EMPTY', `${target} is not empty`, {
      hint: 'Choose a new folder.',
    });
  }
  await mkdir(target, { recursive: true });
  const gitDir = await mkdtemp(join(dirname(target), '.source-'));
  const started = performance.now();
  const left = (): number =>
    Math.max(0.1, (options.seconds ?? limits.gitSecondsMax) - (performance.now() - started) / 1000);
  try {
    const checkoutOf = new Checkout(gitDir, target, href, protocol, commit, {
      ...options,
      get seconds() {
        return left();
      },
    });
    await checkoutOf.fetch();
    return await checkoutOf.write();
  } catch (error) {
    await rm(target, { recursive: true, force: true });
    throw explain(error, `cannot check out ${commit}`);
  } finally {
    await rm(gitDir, { recursive: true, force: true });
  }
}

class Checkout {
  readonly #gitDir: string;
  readonly #dest: string;
  readonly #href: string;
  readonly #protocol: GitProtocol;
  readonly #commit: string;
  readonly #options: CheckoutOptions;
  readonly #maxBytes: number;

  constructor(
    gitDir: string,
    dest: string,
    href: string,
    protocol: GitProtocol,
    commit: string,
    options: CheckoutOptions,
  ) {
    this.#gitDir = gitDir;
    this.#dest = dest;
    this.#href = href;
    this.#protocol = protocol;
    this.#commit = commit;
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? limits.sourceBytesMax;
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

  async fetch(): Promise<void> {
    const format = this.#commit.length === 64 ? 'sha256' : 'sha1';
    await this.#git(['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, this.#gitDir]);
    // These win over any .gitattributes of the tree, on every version of git.
    const attributes =
      '* !text !eol !crlf !ident !filter !working-tree-encoding !export-ignore !export-subst\n';
    await mkdir(join(this.#gitDir, 'info'), { recursive: true });
    await writeFile(join(this.#gitDir, 'info/attributes'), attributes);
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
      if (await this.#tryFetch(refspec, true)) return;
      if (await this.#tryFetch(refspec, false)) return;
    }
    throw new QuorateError(
      'SOURCE_COMMIT_NOT_FOUND',
      `the repository does not hand out commit ${this.#commit}`,
      {
        hint: 'Push the commit; when its branch has moved on, keep it reachable by a branch or tag.',
      },
    );
  }

  /** True when the commit is here afterwards. */
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
        watch: () => this.#checkSize(),
      });
    } catch (error) {
      if (error instanceof GitFailed && error.isMissing) return false;
      throw error;
    }
    await this.#checkSize();
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
    const size = await folderBytes(join(this.#gitDir, 'objects'));
    if (size > this.#maxBytes) throw this.#tooLarge();
    return size;
  }

  #tooLarge(): QuorateError {
    return new QuorateError(
      'SOURCE_TOO_LARGE',
      `the source is over ${this.#maxBytes} bytes or too many files`,
      {
        hint: 'Make the repository smaller, or raise the limit for source.',
      },
    );
  }

  async write(): Promise<CheckedOut> {
    const survey = await this.#survey();
    const work = ['-c', 'core.bare=false', `--work-tree=${this.#dest}`];
    await this.#git([...work, 'read-tree', this.#commit]);
    await this.#git([...work, 'checkout-index', '--all', '--quiet'], {
      cwd: this.#dest,
      watch: async () => performance.now(),
    });
    return survey;
  }

  /** Counts what the commit's tree would write, before any of it is: a small pack can hold a huge tree. */
  async #survey(): Promise<CheckedOut> {
    const result: CheckedOut = { files: 0, bytes: 0, submodules: [] };
    let rest = Buffer.alloc(0);
    const onOutput = (chunk: Buffer): void => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
        const line = rest.subarray(0, end).toString('utf8');
        rest = rest.subarray(end + 1);
        const [mode, type, , size] = line.slice(0, line.indexOf('\t')).split(/ +/);
        if (type === 'commit') {
          if (result.submodules.length < submodulesMax)
            result.submodules.push(line.slice(line.indexOf('\t') + 1));
        } else if (mode !== undefined) {
          result.files += 1;
          result.bytes += Number(size);
        }
        if (result.files > limits.treeEntriesMax || result.bytes > this.#maxBytes) throw this.#tooLarge();
      }
      if (rest.length > limits.pathBytesMax * 4) throw this.#tooLarge();
    };
    await this.#git(['ls-tree', '-r', '-l', '-z', '--full-tree', this.#commit], { onOutput });
    return result;
  }
}

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
