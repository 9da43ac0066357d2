import { accessSync, constants, existsSync, lstatSync, readlinkSync, statSync } from 'node:fs';
import { appendFile, readFile, realpath } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { hasCode, QuorateError } from '../protocol/base/errors.ts';
import { shellWord } from '../protocol/base/shell-word.ts';

export function findUp(
  start: string,
  name: string,
  counts = (_folder: string): boolean => true,
): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, name)) && counts(folder)) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

function ownerOf(file: string): number | undefined {
  try {
    return lstatSync(file).uid;
  } catch {
    // Out of this user's reach: of somebody else.
    return undefined;
  }
}

export const isMine = (file: string): boolean => ownerOf(file) === process.getuid?.();

/** A folder that is there and that this user may not look into; undefined for any other. The error says whose it is. */
export function closedFolder(folder: string): QuorateError | undefined {
  try {
    accessSync(folder, constants.X_OK);
    return undefined;
  } catch (cause) {
    if (!hasCode(cause, 'EACCES') || ownerOf(folder) === undefined) return undefined;
    if (isMine(folder))
      return new QuorateError('HOME_UNREADABLE', `${folder} cannot be read: permission denied`, {
        hint: `It is yours: chmod u+rwx ${shellWord(folder)}`,
        cause,
      });
    return new QuorateError('SOURCE_OTHER_USER', `${folder} is of another user, and cannot be read`, {
      hint: 'Run this as that user, or in a clone of your own. Of a project that you joined: --project <id>, where the command has it.',
      cause,
    });
  }
}

/** Repositories around a folder, the innermost first. A .git of somebody else, as in /tmp, does not count; that of the folder's owner does, which git refuses to root unless safe.directory names it. */
export function repositoriesAround(start: string, owner = ownerOf(start)): string[] {
  const isRepository = (folder: string) => {
    const git = join(folder, '.git');
    return isMine(git) || ownerOf(git) === owner;
  };
  const all: string[] = [];
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.git')) && isRepository(folder)) all.push(folder);
    if (dirname(folder) === folder) return all;
  }
}

/** The top of the repository. @throws {QuorateError} `SOURCE_NO_REPOSITORY` */
export function repositoryAt(cwd: string): string {
  const repo = findUp(cwd, '.git');
  if (repo !== undefined) return repo;
  throw new QuorateError('SOURCE_NO_REPOSITORY', `${cwd} is in no git repository`, {
    hint: 'Go to the repository whose builds you want checked, or make one: git init',
  });
}

/**
 * The folder of a project, and so no key, charter, image or store in it, came with a repository around, or as one; nor is it a link or a
 * submodule, where others would read the keys. Whatever opens such a folder calls this before. Outside of repositories none came with one.
 * `madeAt`: nor is git at work since before then (ms since the epoch), whose files are there before it says that it keeps them.
 * @throws {QuorateError} `PROJECT_FOREIGN`, SOURCE_… where git cannot tell
 */
export async function checkNotCommitted(dir: string, madeAt?: number): Promise<void> {
  const { isAtWork, isKept } = await import('../source/index.ts');
  const parent = dirname(dir);
  // Git is asked where the folder is, whatever links lead there, and where it leads as a link.
  const place = join(await realpath(parent).catch(() => parent), '.quorate');
  // Those further out as well: a repository that was made within another one knows nothing of what that one brought.
  for (const path of new Set([place, await realpath(place).catch(() => place)]))
    for (const repository of repositoriesAround(path, ownerOf(dirname(path)))) {
      if (madeAt !== undefined && (await isAtWork(repository, madeAt)))
        throw new QuorateError('SOURCE_FAILED', `git is at work in ${repository}`, {
          hint: 'Try again when it is done. Where no git runs there, one that was ended left index.lock in its folder: remove that.',
        });
      if (await isKept(repository, relative(repository, path)))
        throw new QuorateError('PROJECT_FOREIGN', `${parent} has .quorate/ in its commits`, {
          hint: 'Whoever committed it may know its keys: git rm -r --cached .quorate, then move .quorate away.',
        });
    }
}

const linksMax = 40;

/** A file that a process reads again while it runs is none that a checkout put into `.quorate`, nor does a link lead to one. @throws as of `checkNotCommitted` */
export async function checkOwnFile(file: string): Promise<void> {
  const paths = [resolve(file)];
  // As new as the newest of the links that lead to it.
  const made = [statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? Number.POSITIVE_INFINITY];
  for (const path of paths) {
    const parts = path.split(sep);
    const steps = parts.map((_, n) => parts.slice(0, n + 1).join(sep));
    const at = steps.findIndex((step) => lstatSync(step, { throwIfNoEntry: false })?.isSymbolicLink());
    const link = steps[at];
    if (link === undefined || paths.length > linksMax) continue;
    made.push(lstatSync(link).ctimeMs);
    paths.push(resolve(dirname(link), readlinkSync(link), ...parts.slice(at + 1)));
  }
  for (const path of paths) {
    const parts = path.split(sep);
    const at = parts.lastIndexOf('.quorate', -2);
    if (at >= 0) await checkNotCommitted(parts.slice(0, at + 1).join(sep), Math.max(...made));
  }
}

/** `where`: of the folder `.quorate`, in this repository. @throws {QuorateError} `PROJECT_FOREIGN` where keys in it would go into the next commit */
export async function ignoreProjectFolder(where: string, repository: string): Promise<'added' | 'kept'> {
  const { areIgnored } = await import('../source/index.ts');
  const own = join(await realpath(where), '.quorate');
  const isLink = lstatSync(own, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  // Git reads nothing through a link: where a link of the person's own leads is what it might take in, and the link itself.
  const folder = await realpath(own).catch(() => own);
  const isOutside = `${relative(await realpath(repository), folder)}/`.startsWith('../');
  const keys = ['root.key', 'controller.key', 'idp.key'].map((name) => join(folder, name));
  const paths = [...(isLink ? [own] : []), ...(isOutside ? [] : keys)];
  const ignores = async () => paths.length === 0 || areIgnored(repository, paths);
  const file = join(where, '.gitignore');
  // Git reads none that is a link, but other files too.
  if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    if (await ignores()) return 'kept';
  } else {
    const text = existsSync(file) ? await readFile(file, 'utf8') : '';
    // A later line may take back a part of what this one says.
    const last = text.slice(text.lastIndexOf('\n!') + 1);
    if (/^\/?\.quorate\/?\s*$/m.test(last) && (await ignores())) return 'kept';
    await appendFile(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}.quorate${isLink ? '' : '/'}\n`);
    if (await ignores()) return 'added';
  }
  throw new QuorateError(
    'PROJECT_FOREIGN',
    `${file} does not keep .quorate/, which holds keys, out of commits`,
    {
      hint: 'Make it a file of its own with the line .quorate/ at its end.',
    },
  );
}
