import { chmod, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type ConfinedGit, type ConfinedOptions, openConfinedGit } from '../../src/execution/confined-git.ts';
import { type CommitOptions, readCommit } from '../../src/source/index.ts';
import { folder } from './support.ts';

const MiB = 1024 * 1024;

export interface Confined extends ConfinedGit {
  /** Lines for the build's log. */
  readonly said: string[];
  /** Fetches the commit as a worker does; the names in its archive. */
  fetch(commit: string, more?: Omit<CommitOptions, 'dir'>): Promise<string>;
}

/** Git as a worker runs it for one source, in a folder that is gone after the test. */
export async function confined(
  url: string,
  vcs: readonly string[],
  more: Partial<ConfinedOptions> = {},
): Promise<Confined> {
  const home = await folder();
  await chmod(home, 0o700);
  const scratch = join(home, 'tmp-1');
  await mkdir(scratch, { mode: 0o700 });
  const said: string[] = [];
  const git = await openConfinedGit({
    url,
    vcs,
    stateDir: join(home, 'sandbox'),
    scratch,
    cpus: 1,
    memoryBytes: 512 * MiB,
    bytesMax: 64 * MiB,
    say: (text) => said.push(text),
    ...more,
  });
  onTestFinished(() => git.close());
  return {
    ...git,
    said,
    fetch: async (commit, options = {}) => {
      try {
        const wrapped = { dir: git.dir, wrap: git.wrap, connect: git.connect, ...options };
        const { value } = await readCommit(url, commit, wrapped, async (tar) => {
          let text = '';
          for await (const chunk of tar as AsyncIterable<Buffer>) text += chunk.toString('latin1');
          return text;
        });
        return value;
      } catch (error) {
        throw git.explain(error);
      }
    },
  };
}

/** `host:port` of a URL, as a charter lists it. */
export const hostOf = (url: string): string => new URL(url).host;

/** The folder that stands for the worker's home. */
export const homeOf = ({ dir }: ConfinedGit): string => dirname(dirname(dir));
