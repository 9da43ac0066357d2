import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { type GitOptions, gitScript, type StartedCommand, startGit } from './git.ts';

export const newGitDir = (dir: string): Promise<string> => mkdtemp(join(dir, '.source-'));

export const hashOf = (commit: string): 'sha1' | 'sha256' => (commit.length === 64 ? 'sha256' : 'sha1');

/** Makes the files of git-init(1) --bare (gitrepository-layout(5)) in an empty folder, without templates. */
export function initRepository(gitDir: string, hash: 'sha1' | 'sha256'): void {
  const sha256 = hash === 'sha256';
  const files = {
    HEAD: 'ref: refs/heads/none\n',
    config: `[core]\n\trepositoryformatversion = ${sha256 ? 1 : 0}\n\tbare = true\n${sha256 ? '[extensions]\n\tobjectformat = sha256\n' : ''}`,
    // Takes precedence over .gitattributes in the tree (gitattributes(5)).
    'info/attributes':
      '* !text !eol !crlf !ident !filter !working-tree-encoding !export-ignore !export-subst\n',
  };
  // Six small calls of the kernel cost less than handing them to another thread.
  for (const folder of ['objects', 'refs', 'info']) mkdirSync(join(gitDir, folder));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(gitDir, name), text);
}

export const archiveArgs = (commit: string): string[] => [
  '-c',
  'tar.umask=0',
  'archive',
  '--format=tar',
  commit,
];

/** Arguments of git that reads a pack from its standard input: its objects are checked as those of a fetch. */
const indexArgs = ['-c', 'pack.writeReverseIndex=false', 'index-pack', '--stdin', '-v', '--fsck-objects'];

export type WaitingOptions = Pick<GitOptions, 'env' | 'wrap' | 'start'>;

/** git that waits for a pack on standard input and archives one commit in it. Started before the commit is known; used once. */
export class WaitingGit {
  readonly gitDir: string;
  readonly command: StartedCommand;
  /** Opened before git began: what it leaves in its folder leads nowhere. */
  readonly #head: number;
  #isUsed = false;

  private constructor(gitDir: string, head: number, command: StartedCommand) {
    this.gitDir = gitDir;
    this.#head = head;
    this.command = command;
    // Its user learns of its end.
    for (const stream of this.#streams()) stream.on('error', () => {});
  }

  /** Starts it in a repository without objects. `wrap` is called once. */
  static start(gitDir: string, options: WaitingOptions): WaitingGit {
    const head = openSync(join(gitDir, 'HEAD'), 'r+');
    try {
      const calls = [indexArgs, archiveArgs('HEAD')].map((args) => [`--git-dir=${gitDir}`, ...args]);
      const command = startGit(gitScript(undefined, calls), { ...options, cwd: gitDir });
      return new WaitingGit(gitDir, head, command);
    } catch (error) {
      closeSync(head);
      throw error;
    }
  }

  /** Whether one that was started ahead reads a commit: its repository is of SHA-1. */
  static reads(commit: string): boolean {
    return hashOf(commit) === 'sha1';
  }

  /** Starts it in a repository of its own, below an existing folder. */
  static async ahead(dir: string, options: WaitingOptions): Promise<WaitingGit> {
    const gitDir = await newGitDir(dir);
    initRepository(gitDir, 'sha1');
    return WaitingGit.start(gitDir, options);
  }

  /** The command, which has got nothing to read yet. To be called once, before its input. */
  use(commit: string): StartedCommand {
    this.#isUsed = true;
    // The id is longer than what it takes the place of.
    writeSync(this.#head, `${commit}\n`, 0);
    closeSync(this.#head);
    return this.command;
  }

  /** Ends it, unless it was used. Its repository is the caller's to remove. */
  end(): void {
    if (this.#isUsed) return;
    this.#isUsed = true;
    closeSync(this.#head);
    this.command.kill();
    for (const stream of this.#streams()) stream.destroy();
  }

  #streams(): (Readable | Writable)[] {
    const { stdin, stdout, stderr } = this.command;
    return [stdin, stdout, stderr];
  }
}

/** Removes a repository. In a sandbox, killed processes may write a moment longer than their output is open. */
export const removeGitDir = (gitDir: string): Promise<void> =>
  rm(gitDir, { recursive: true, force: true, maxRetries: 5 });
