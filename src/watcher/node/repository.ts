import { rm } from 'node:fs/promises';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import { type ConfinedGit, openConfinedGit } from '../../execution/confined-git.ts';
import { fetchableUrl } from '../../execution/source-url.ts';
import type { Confine } from '../../member/plan.ts';
import { makeScratch } from '../../node/scratch.ts';
import { assert, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { type ListedRef, listRefs } from '../../source/index.ts';

/** Limits of git for a source that is watched. `bytesMax`: of what it receives. */
const gitLimits = { cpus: 1, memoryBytes: 1024 ** 3, bytesMax: 2 * 1024 ** 3 };
assert(gitLimits.memoryBytes <= sandboxLimits.toolMemoryBytesMax, 'the sandbox of a tool grants that much');
assert(gitLimits.bytesMax <= limits.treeBytesMax, 'git receives no more than a tree may have');

interface RepositoryOptions {
  url: string;
  vcs: readonly string[];
  stateDir: string;
  /** Whether git runs in a sandbox whose only way out leads to that server. */
  confined: boolean;
  /** Replaced in tests. */
  open?: typeof openConfinedGit;
}

/** The repository that is watched. Its server is not trusted: everything that it sends is bounded. */
export class WatchedRepository {
  readonly #options: RepositoryOptions;

  constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  get url(): string {
    return this.#options.url;
  }

  get confine(): Confine | undefined {
    return this.#options.confined ? (use) => this.#inSandbox(use) : undefined;
  }

  /** Refs that match these patterns. @throws those of `listRefs` and `openConfinedGit`. */
  refs(patterns: readonly string[], signal: AbortSignal): Promise<Map<string, ListedRef>> {
    const { confine } = this;
    fetchableUrl(this.url);
    const list = (git?: Pick<ConfinedGit, 'wrap'>) =>
      listRefs(this.url, patterns, { signal, seconds: limits.gitIdleSecondsMax, wrap: git?.wrap });
    return confine === undefined ? list() : confine(list);
  }

  async #inSandbox<T>(use: (git: ConfinedGit) => Promise<T>): Promise<T> {
    const { url, vcs, stateDir, open = openConfinedGit } = this.#options;
    const scratch = await makeScratch('watch');
    try {
      const git = await hinting(open({ url, vcs, stateDir, scratch, ...gitLimits, say: () => {} }));
      try {
        return await use(git);
      } catch (error) {
        throw git.explain(error);
      } finally {
        await git.close();
      }
    } finally {
      await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

/** Adds to errors of the sandbox how to do without one. */
async function hinting<T>(opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof QuorateError) || !error.code.startsWith('SANDBOX_')) throw error;
    throw new QuorateError(error.code, error.message, {
      hint: 'quorate doctor says what the sandbox lacks. In watch.toml "sandbox = false" runs git without one.',
      cause: error,
    });
  }
}
