import { QuorateError } from '../protocol/base/errors.ts';
import { type GitOptions, git } from './git.ts';
import { explain } from './git-failed.ts';
import { type GitTag, tagOf } from './git-folder.ts';
import { checkRef, isCommitId, parseGitUrl } from './url.ts';

export interface Resolved {
  /** Full commit id. */
  commit: string;
  /** Full name of the branch or tag; absent for a commit id. */
  ref?: string;
  /** For a tag. */
  tag?: GitTag;
}

/**
 * Asks a server for the current commit of a branch, a tag or `HEAD`. A full commit id is returned unchanged.
 * @throws SOURCE_REF_NOT_FOUND, SOURCE_REF_INVALID and the codes of `readCommit`
 */
export async function resolveRef(url: string, ref: string, options: GitOptions = {}): Promise<Resolved> {
  const { href, protocol } = parseGitUrl(url);
  if (isCommitId(ref)) return { commit: ref };
  checkRef(ref);
  const names = ref === 'HEAD' || ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  const patterns = names.flatMap((name) => [name, `${name}^{}`]);
  let text: string;
  try {
    text = await git(protocol, ['ls-remote', '--', href, ...patterns], {
      ...options,
      cwd: '/',
      reach: 'server',
    });
  } catch (error) {
    throw explain(error, `cannot resolve ${ref}`);
  }
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [commit, name] = line.split('\t');
    if (commit !== undefined && name !== undefined && isCommitId(commit)) found.set(name, commit);
  }
  const matches = names.flatMap((name): Resolved[] => {
    const commit = found.get(`${name}^{}`) ?? found.get(name);
    if (commit === undefined) return [];
    const tag = tagOf(name, found.get(name));
    return [{ commit, ref: name, ...(tag && { tag }) }];
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
    throw new QuorateError('SOURCE_REF_INVALID', `${JSON.stringify(ref)} is both a branch and a tag`, {
      hint: `Write refs/heads/${ref} or refs/tags/${ref}.`,
    });
  }
  return first;
}
