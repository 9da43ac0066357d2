import type { Found } from './entry.ts';
import type { Arch } from './platform.ts';
import type { Fixed, FixedAt } from './quorate-lock.ts';
import { foundIn } from './read.ts';

/** The records that `quorate.lock` needs for some lock files, and those that it has. */
export interface OpenFiles {
  /** Files that lock files demand and nothing names, each once. */
  open: Found[];
  /** Records of `quorate.lock` that stay. */
  kept: Fixed[];
}

/**
 * Finds the files that lock files leave open for a build on this architecture. Kept of `quorate.lock` are records that lock files need, files of no package, and those of Python
 * packages, which source archives are built with. A record that contradicts its lock file goes, and its file is open again.
 * Throws `LOCK_…`, but not `LOCK_INCOMPLETE` and `LOCK_CONFLICT`.
 */
export function openFiles(
  locks: readonly string[],
  files: ReadonlyMap<string, Uint8Array>,
  arch: Arch,
): OpenFiles {
  const { found, records } = foundIn(locks, files, arch);
  const byPurl = Map.groupBy(found, ({ purl }) => purl);
  const kept = records.filter((record) => stays(record, byPurl.get(record.purl)));
  const fixed = new Set(kept.map(({ purl }) => purl));
  const open = found.filter((one) => isOpen(one) && !fixed.has(one.purl));
  const once = new Map(open.map((one) => [`${one.purl} ${one.file ?? ''}`, one]));
  return { open: [...once.values()], kept: kept.map(({ at: _, ...record }) => record) };
}

const isOpen = ({ file, integrity }: Found): boolean => file === undefined || integrity === undefined;

function stays({ purl, file, sha256 }: FixedAt, named: readonly Found[] | undefined): boolean {
  if (named === undefined) return /^pkg:(?:generic|pypi)\//.test(purl);
  return named.every(
    (one) =>
      !isOpen(one) ||
      ((one.file === undefined || one.file === file) &&
        (one.integrity === undefined || one.integrity.digests.includes(sha256))),
  );
}
