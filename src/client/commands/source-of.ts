import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { QuorateError } from '../../protocol/base/errors.ts';

export interface RunSource {
  repo: { url: string; ref: string };
  /** Notes for the user on differences between the folder and the server. */
  notes: string[];
  /** Commit of the branch checked out here, when that branch is to be built; the server may have another. */
  here?: string;
}

/** A word that is neither a URL nor a path, and probably the name of a job. */
const plainWord = /^[\w-][\w.-]*$/;

/**
 * The source that `quorate run` builds: the given URL, or the remote and the checked-out branch of the repository in a
 * folder. Throws `CLI_USAGE`, `SOURCE_…`.
 */
export async function sourceOf(
  cwd: string,
  given: string | undefined,
  options: { url?: string; ref?: string },
): Promise<RunSource> {
  const folder = resolve(cwd, given ?? '.');
  if (given !== undefined && !existsSync(folder)) {
    if (plainWord.test(given)) {
      throw new QuorateError('CLI_USAGE', `"${given}" is neither a folder nor a git URL`, {
        hint: `If it is a job of quorate.yaml: quorate run --job ${given}`,
      });
    }
    return { repo: { url: given, ref: options.ref ?? 'HEAD' }, notes: [] };
  }
  const { localRepo } = await import('../../source/index.ts');
  const { remoteUrl, branch, commit, dirty } = await localRepo(folder);
  const url = options.url ?? remoteUrl;
  if (url === undefined) {
    throw new QuorateError('CLI_USAGE', `${folder} has no remote, and workers fetch source from a server`, {
      hint: 'Push it somewhere and give its address: --url <url>',
    });
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
