import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { importSource } from '../execution/import-source.ts';
import { fetchableUrl } from '../execution/source-url.ts';
import { checkJobFileSize, type JobFile, parseJobFile } from '../jobfile/index.ts';
import { type NamedRecipe, recipeText } from '../protocol/base/recipe-name.ts';
import type { Recipe } from '../protocol/documents/index.ts';
import { resolveRef } from '../source/index.ts';
import type { Store } from '../store/index.ts';
import { jobFileBytes } from './job-in-tree.ts';

/** A job file of a repository on a server. */
export interface WantedRecipe extends NamedRecipe {
  /** A branch that contains the commit, for servers that do not serve single commits. */
  branch?: string;
}

/**
 * Fetches a commit and reads a job file of it; without a commit that of the server's `HEAD`. Runs git without a sandbox, since the
 * user chose the server. @throws `SOURCE_…`, `JOBFILE_…`, `PIPELINE_…`, `STORE_…`
 */
export async function fetchRecipe(
  store: Store,
  { branch = 'HEAD', ...wanted }: WantedRecipe,
  { dir, signal }: { dir: string; signal: AbortSignal },
): Promise<{ file: JobFile; recipe: Recipe }> {
  const { repo, path } = wanted;
  fetchableUrl(repo);
  const { commit } = await resolveRef(repo, wanted.commit ?? 'HEAD', { signal, seconds: 60 });
  const into = store.public;
  const { root } = await importSource(store, { url: repo, commit, ref: branch, dir, into, signal });
  const named = `${path} at ${commit.slice(0, 12)}`;
  const bytes = await jobFileBytes(store, root, path, {
    named,
    what: recipeText({ repo, commit, path }),
    hint: 'Check the path: it counts from the top of the repository.',
  });
  const { file, sha256 } = parsed(bytes, named);
  return { file, recipe: { repo, commit, path, sha256 } };
}

/** Reads a job file of this host. @throws `JOBFILE_…`, `PIPELINE_…` */
export async function readLocalJobFile(path: string): Promise<{ file: JobFile; sha256: string }> {
  checkJobFileSize((await stat(path)).size, path);
  return parsed(await readFile(path), path);
}

function parsed(bytes: Uint8Array, named: string): { file: JobFile; sha256: string } {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { file: parseJobFile(new TextDecoder().decode(bytes), named), sha256 };
}
