import { dirname, join } from 'node:path';

/** The folder of the project that `quorate up` plays for the repository at `root`: its keys, runs and members are no other project's. */
export const playedOf = (root: string): string => join(root, '.quorate', 'up');

/** Where the members of the project in `dir` are at home, if `quorate up` plays it; undefined of any other. */
export function playedHomes({ dir }: { dir: string }): string | undefined {
  const homes = dirname(dir);
  return homes === playedOf(dirname(dirname(homes))) ? homes : undefined;
}
