import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { QuorateError } from '../core/errors.ts';

export interface RunSource {
  repo: { url: string; ref: string };
  /** What the person should know: the server may not have what lies here. */
  notes: string[];
  /** Of the branch checked out here, where that is what is to be built: the server may have another. */
  here?: string;
}

/** Neither a URL nor a path: more likely the name of a job. */
const plainWord = /^[\w-][\w.-]*$/;

/**
 * What `quorate run` builds: a URL as it is given, or the remote of the repository in a folder, at the branch checked
 * out there. Throws `CLI_NO_REMOTE`, `CLI_USAGE`, `SOURCE_…`.
 */
export async function sourceOf(
  cwd: string,
  given: string | undefined,
  options: { url?: string; ref?: string },
): Promise<RunSource> {
  const folder = resolve(cwd, given ?? '.');
  if (given !== undefined && !existsSync(folder)) {
    if (plainWord.test(given)) {
      throw new QuorateError('CLI_USAGE', `"${given}" is no folder here and no git URL`, {
        hint: `If it is a job of quorate.yaml: quorate run --job ${given}`,
      });
    }
    return { repo: { url: given, ref: options.ref ?? 'HEAD' }, notes: [] };
  }
  const { localRepo } = await import('../source/index.ts');
  const { remoteUrl, branch, commit, dirty } = await localRepo(folder);
  const url = options.url ?? remoteUrl;
  if (url === undefined) {
    throw new QuorateError(
      'CLI_NO_REMOTE',
      `${folder} has no remote, and workers fetch source from a server`,
      {
        hint: 'Push it somewhere and give its address: --url <url>',
      },
    );
  }
  const notes =
    dirty && options.ref === undefined
      ? ['There are changes here that are not committed: they are not built.']
      : [];
  const asHere = options.ref === undefined && options.url === undefined;
  return {
    repo: { url, ref: options.ref ?? branch ?? commit },
    notes,
    ...(asHere ? { here: commit } : {}),
  };
}
