import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, type Source } from '../tidy/house/source.ts';
import { type Mutation, mutated } from './operators.ts';

const git = (folder: string, ...args: string[]): string =>
  execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });

/** @returns the full id of what `revision` names in this repository */
export const commitOf = (revision: string): string =>
  git(root, 'rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`).trim();

/** TypeScript of a commit, below folders, ascending. */
export function filesAt(commit: string, folders: readonly string[]): Source[] {
  const paths = git(root, 'ls-tree', '-r', '-z', '--name-only', commit, '--', ...folders)
    .split('\0')
    .filter((path) => path.endsWith('.ts') && !path.includes('/fixtures/'));
  const all = execFileSync('git', ['-C', root, 'cat-file', '--batch=%(objectsize)'], {
    input: paths.map((path) => `${commit}:${path}\n`).join(''),
    maxBuffer: 256 * 1024 * 1024,
  });
  let at = 0;
  return paths.map((path) => {
    const begin = all.indexOf(10, at) + 1;
    const end = begin + Number(all.toString('latin1', at, begin - 1));
    at = end + 1;
    return { path, text: all.toString('utf8', begin, end) };
  });
}

/** A checkout of one commit, with packages of its own and a folder for temporary files. Nothing of it is in the repository. */
export class Copy {
  readonly #folder = mkdtempSync(join(tmpdir(), 'qm-'));
  readonly checkout = join(this.#folder, 'c');
  readonly temporary = join(this.#folder, 't');

  constructor(commit: string, installed = join(root, 'node_modules')) {
    try {
      // Tests read files as other accounts too.
      chmodSync(this.#folder, 0o755);
      git(root, 'clone', '--quiet', '--shared', '--no-checkout', root, this.checkout);
      git(this.checkout, 'checkout', '--quiet', '--detach', commit);
      const packages = [installed, join(this.checkout, 'node_modules')];
      // Links cost nothing, but do not lead to another file system.
      const linked = spawnSync('cp', ['-al', ...packages], { stdio: 'ignore' });
      if (linked.status !== 0) execFileSync('cp', ['-aT', ...packages]);
      for (const own of ['.cache', '.vite'])
        rmSync(join(this.checkout, 'node_modules', own), { recursive: true, force: true });
      mkdirSync(this.temporary);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Runs `work` while the mutation is in the checkout. */
  async with<T>(mutation: Mutation, work: () => Promise<T>): Promise<T> {
    const file = join(this.checkout, mutation.path);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, mutated(text, mutation));
    try {
      return await work();
    } finally {
      writeFileSync(file, text);
    }
  }

  /** Between two runs: what a test that was ended left. */
  clear(): void {
    rmSync(this.temporary, { recursive: true, force: true });
    mkdirSync(this.temporary);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
