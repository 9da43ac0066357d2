import { z } from 'zod';
import { commitId, sha256, text, treePath } from './base.ts';

/** A job file that is not the source's own, with the sha256 of its bytes, as its publisher states it (docs/threat-model.md). */
export const recipeSchema = z.strictObject({
  repo: text(2000).min(1),
  commit: commitId,
  /** Of the file, below the top of the repository. */
  path: treePath,
  sha256,
});
export type Recipe = z.infer<typeof recipeSchema>;
