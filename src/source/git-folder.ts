import { PassThrough, type Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { QuorateError } from '../protocol/base/errors.ts';
import type { RunOptions } from './git.ts';
import { GitFailed } from './git-failed.ts';

/**
 * Reads the output of a command through a transform, at once: unread output is lost when the process ends.
 * @throws what the reader throws; the transform's own error, if it is coded or the reader has not failed
 */
export async function readThrough<T>(
  output: Readable,
  through: Transform,
  read: (tar: Readable) => Promise<T>,
): Promise<T> {
  const reading = read(through);
  const piping = pipeline(output, through);
  // A reader may stop at the end mark of the archive; the padding after it still has to be read.
  reading.then(
    () => through.resume(),
    () => through.destroy(),
  );
  const [taken, piped] = await Promise.allSettled([reading, piping]);
  const isOurs = piped.status === 'rejected' && piped.reason instanceof QuorateError;
  if (piped.status === 'rejected' && (taken.status === 'fulfilled' || isOurs)) throw piped.reason;
  if (taken.status === 'rejected') throw taken.reason;
  return taken.value;
}

/** A tag of a commit, which `git describe` finds in its git folder. */
export interface GitTag {
  /** Without `refs/tags/`. */
  name: string;
  /** Id of the annotated tag, or of the commit for a tag without annotation. */
  object: string;
}

export function tagOf(ref: string, object: string | undefined): GitTag | undefined {
  const [, name] = /^refs\/tags\/(.+)$/.exec(ref) ?? [];
  return name === undefined || object === undefined ? undefined : { name, object };
}

/** A git folder (`.git`) of one commit, to be read. */
export interface GitFolderReader {
  tag?: GitTag | undefined;
  /** Takes a tar archive of the folder's content. It is untrusted, as the archive of the files is. */
  read(tar: Readable): Promise<void>;
}

/** The repository that a git folder is made of. Its commands run where its git does. */
export interface GitFolderSource {
  readonly commit: string;
  git(args: string[], more?: Partial<RunOptions>): Promise<string>;
  /** Runs a script of sh(1) in the git folder, with these arguments. */
  sh(script: string, args: string[], more?: Partial<RunOptions>): Promise<string>;
}

/** HEAD at the commit, without its parents; the one tag, and no other ref. */
const prepare = `rm -rf refs
mkdir refs
printf '%s\\n' "$1" > HEAD
printf '%s\\n' "$1" > shallow
: > packed-refs
if [ -n "$2" ]; then printf '%s refs/tags/%s\\n' "$3" "$2" > packed-refs; fi`;

/** The archive: what git needs, with a configuration of a working tree and none of this host. */
const pack = `printf '[core]\\n\\trepositoryformatversion = %s\\n\\tfilemode = true\\n\\tbare = false\\n' "$1" > config
if [ "$1" = 1 ]; then printf '[extensions]\\n\\tobjectformat = sha256\\n' >> config; fi
rm -rf objects/info objects/??
exec tar -c -f - --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \\
  HEAD config index objects packed-refs refs shallow`;

/** No idle timeout: the writer waits for the disk and the reader only. */
const watch = async (): Promise<number> => performance.now();

/** Makes the git folder of a commit in place: files, index, the tag, nothing else. @throws SOURCE_TAG_NOT_FOUND, as commands and reader */
export async function packGitFolder(source: GitFolderSource, { tag, read }: GitFolderReader): Promise<void> {
  const { commit, git, sh } = source;
  if (tag !== undefined && !(await isObjectOf(source, tag.object))) throw tagNotFound(tag, commit);
  await sh(prepare, [commit, tag?.name ?? '', tag?.object ?? '']);
  const settings = ['-c', 'repack.writeBitmaps=false', '-c', 'pack.threads=1'];
  await git([...settings, 'repack', '-a', '-d', '-n', '-q'], { watch });
  await git(['read-tree', commit]);
  await sh(pack, [commit.length === 64 ? '1' : '0'], {
    read: (output) => readThrough(output, new PassThrough(), read),
    watch,
  });
}

/** Whether the object is here, and is that commit or an annotated tag of it. */
export async function isObjectOf(
  { git, commit }: Pick<GitFolderSource, 'git' | 'commit'>,
  object: string,
): Promise<boolean> {
  try {
    return (await git(['rev-parse', '--verify', '--quiet', `${object}^{commit}`])).trim() === commit;
  } catch (error) {
    if (error instanceof GitFailed) return false;
    throw error;
  }
}

const tagNotFound = ({ name, object }: GitTag, commit: string): QuorateError =>
  new QuorateError(
    'SOURCE_TAG_NOT_FOUND',
    `the server does not serve the tag ${name} of commit ${commit} as ${object}`,
    { hint: 'Push the tag; where it was moved or made again, publish the job again.' },
  );
