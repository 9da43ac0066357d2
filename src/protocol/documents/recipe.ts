import { z } from 'zod';
import { commitId, sha256, text, treePath } from './base.ts';

/**
 * A job file that is not the source's own `quorate.yaml`: where it is, and the sha256 of its bytes. A publisher states it; nobody
 * compares it with the job (docs/threat-model.md).
 */
export const recipeSchema = z.strictObject({
  /** URL of the repository. */
  repo: text(2000).min(1),
  commit: commitId,
  /** Of the file, below the top of the repository. */
  path: treePath,
  sha256,
});
export type Recipe = z.infer<typeof recipeSchema>;
