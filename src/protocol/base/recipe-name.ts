import { isBelow } from './tree-path.ts';

/** A job file of a repository as people name it; without a commit that of any commit. */
export interface NamedRecipe {
  repo: string;
  commit?: string;
  path: string;
}

const named = /^([a-z][a-z0-9+.-]*:\/\/[^/\s]+\/[^:\s]*?)(?:@([0-9a-f]{40}|[0-9a-f]{64}))?:(.+)$/;

/** Parses `REPO:PATH` or `REPO@COMMIT:PATH`, with a URL and a full commit id. Undefined for what is neither. */
export function parseRecipe(given: string): NamedRecipe | undefined {
  const [, repo = '', commit, path = ''] = given.length > 8000 ? [] : (named.exec(given) ?? []);
  if (!isBelow(path)) return undefined;
  return { repo, ...(commit !== undefined && { commit }), path };
}

/** As `parseRecipe` reads it. */
export function recipeText({ repo, commit, path }: NamedRecipe): string {
  return `${repo}${commit === undefined ? '' : `@${commit}`}:${path}`;
}

export function isRecipe({ repo, commit, path }: Required<NamedRecipe>, wanted: NamedRecipe): boolean {
  return (
    repo === wanted.repo && path === wanted.path && (wanted.commit === undefined || commit === wanted.commit)
  );
}
