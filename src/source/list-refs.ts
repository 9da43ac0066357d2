import type { Readable } from 'node:stream';
import { QuorateError } from '../protocol/base/errors.ts';
import { isRefName } from '../protocol/base/git-ref.ts';
import { wholeBytes } from '../protocol/base/whole-bytes.ts';
import { type GitOptions, git, type RunOptions } from './git.ts';
import { explain } from './git-failed.ts';
import { type GitTag, tagOf } from './git-folder.ts';
import { sourceLimits } from './limits.ts';
import { checkRef, isCommitId, parseGitUrl } from './url.ts';

export interface Resolved {
  /** Full commit id. */
  commit: string;
  /** Full name of the branch or tag; absent for a commit id. */
  ref?: string;
  tag?: GitTag;
}

/** The commit of a branch, tag, `HEAD` or full id at a server. @throws SOURCE_REF_NOT_FOUND, SOURCE_REF_INVALID, as `readCommit` */
export async function resolveRef(url: string, ref: string, options: GitOptions = {}): Promise<Resolved> {
  parseGitUrl(url);
  if (isCommitId(ref)) return { commit: ref };
  checkRef(ref);
  const names = ref === 'HEAD' || ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  const patterns = names.flatMap((name) => [name, `${name}^{}`]);
  const found = idsIn(await lsRemote(url, patterns, options, `cannot resolve ${ref}`));
  const matches = names.flatMap((name): Resolved[] => {
    const commit = found.get(`${name}^{}`) ?? found.get(name);
    if (commit === undefined) return [];
    const tag = tagOf(name, found.get(name));
    return [{ commit, ref: name, ...(tag && { tag }) }];
  });
  const [first, second] = matches;
  if (first === undefined)
    throw new QuorateError(
      'SOURCE_REF_NOT_FOUND',
      `the repository has no branch or tag ${JSON.stringify(ref)}`,
      {
        hint: 'Check the name, and that it was pushed.',
      },
    );
  if (second !== undefined && second.commit !== first.commit)
    throw new QuorateError('SOURCE_REF_INVALID', `${JSON.stringify(ref)} is both a branch and a tag`, {
      hint: `Write refs/heads/${ref} or refs/tags/${ref}.`,
    });
  return first;
}

export interface ListedRef {
  /** Full commit id. Of an annotated tag: the commit it leads to. */
  commit: string;
  /** Of a tag: id of the annotated tag, or of the commit. */
  object: string;
}

/** Refs of a server that match (git-ls-remote(1)), by full name; invalid ones are left out. @throws SOURCE_SERVER_ERROR, as `readCommit` */
export async function listRefs(
  url: string,
  patterns: readonly string[],
  options: GitOptions = {},
): Promise<Map<string, ListedRef>> {
  const { refsBytesMax } = sourceLimits;
  const tooLong = () =>
    new QuorateError('SOURCE_SERVER_ERROR', `the list of refs is over ${refsBytesMax} bytes`, {
      hint: 'Remove branches and tags that nobody needs, or name another server.',
    });
  let text = '';
  const read = async (output: Readable): Promise<void> => {
    text = Buffer.from(await wholeBytes(output, refsBytesMax, tooLong)).toString('utf8');
  };
  await lsRemote(url, patterns, { ...options, read }, 'cannot list refs');
  const ids = idsIn(text);
  const refs = new Map<string, ListedRef>();
  for (const [name, object] of ids) {
    if (!name.startsWith('refs/') || !isRefName(name)) continue;
    refs.set(name, { commit: ids.get(`${name}^{}`) ?? object, object });
  }
  return refs;
}

async function lsRemote(
  url: string,
  patterns: readonly string[],
  options: GitOptions & Pick<RunOptions, 'read'>,
  what: string,
): Promise<string> {
  const { href, protocol } = parseGitUrl(url);
  try {
    const args = ['ls-remote', '--', href, ...patterns];
    return await git(protocol, args, { ...options, cwd: '/', reach: 'server' });
  } catch (error) {
    throw explain(error, what);
  }
}

/** Ids in the output of `git ls-remote`, by name. `NAME^{}` is the commit of the annotated tag `NAME`. */
function idsIn(text: string): Map<string, string> {
  const ids = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [id, name] = line.split('\t');
    if (id !== undefined && name !== undefined && isCommitId(id)) ids.set(name, id);
  }
  return ids;
}
