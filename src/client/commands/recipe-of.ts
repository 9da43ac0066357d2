import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { WantedRecipe } from '../../member/recipe.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { type NamedRecipe, parseRecipe } from '../../protocol/base/recipe-name.ts';

/** The job file that `--file` names: `REPO[@COMMIT]:PATH`, or a path on this host. @throws {QuorateError} `CLI_USAGE` */
export function fileGiven(cwd: string, given: string): NamedRecipe | { local: string } {
  const named = parseRecipe(given);
  if (named !== undefined) return named;
  const hint = 'Name a job file here, or one of a repository: https://host/recipes.git:path/to/file.yaml';
  return { local: localFile(cwd, given, '--file', hint) };
}

/** A file of this host that an option names. @throws {QuorateError} `CLI_USAGE` */
export function localFile(
  cwd: string,
  given: string,
  option: string,
  hint = 'Name a job file here.',
): string {
  const path = resolve(cwd, given);
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return path;
  throw new QuorateError('CLI_USAGE', `${option}: ${path} is no file`, { hint });
}

/** The job file to publish: one of this host has to be committed, and is read from the remote. @throws {QuorateError} `CLI_USAGE`, `SOURCE_…` */
export async function recipeOf(cwd: string, given: string): Promise<WantedRecipe> {
  const file = fileGiven(cwd, given);
  if (!('local' in file)) return file;
  const { committedFile } = await import('../../source/index.ts');
  const { path, repository } = await committedFile(file.local);
  const { remoteUrl: repo, commit, branch, root } = repository;
  if (repo === undefined)
    throw new QuorateError('CLI_USAGE', `${root} has no remote, and others have to find ${path}`, {
      hint: `Push it somewhere, and name it there: --file <url>:${path}`,
    });
  return { repo, commit, path, branch };
}
