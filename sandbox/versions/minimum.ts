/** Components of a sandbox whose vulnerabilities matter. */
export type Part = 'kernel' | 'bubblewrap' | 'runsc' | 'qemu';
export type Version = readonly number[];

interface Minimum {
  /**
   * The first fixed release of each supported branch, ascending; the last number counts within its branch. Branches newer than
   * the last are fixed from the start; branches in between were never fixed.
   */
  readonly since: readonly Version[];
  readonly why: string;
}

/**
 * Minimum versions for jobs of others. They apply where the package manager has no information; fixes that a distribution
 * backports without a new version are known only from its list of updates (checks.ts).
 */
export const minimums: Readonly<Record<Part, Minimum>> = {
  kernel: {
    since: [
      [5, 10, 210],
      [5, 15, 149],
      [6, 1, 76],
      [6, 6, 15],
      [6, 7, 3],
    ],
    why: 'CVE-2024-1086, which attackers used to become root from an ordinary account',
  },
  bubblewrap: {
    // Later vulnerabilities need a setuid bwrap (CVE-2026-41163, checked in checks.ts), or a mount target that a build can
    // write to (GHSA-pxhw-h44j-8pfx, not used here).
    since: [[0, 8, 0]],
    why: 'the first with --disable-userns and --size; CVE-2020-5291 is fixed',
  },
  runsc: {
    // CVE-2025-2713 lets the first process read files as root until it forks. Here that is the driver, not a step.
    since: [[20240729]],
    why: 'the oldest version tested; CVE-2023-7258 is fixed',
  },
  qemu: {
    // 7.2.11 is fixed as well but does not have the pinned machine type (pc-q35-8.2).
    since: [
      [8, 2, 3],
      [9, 0, 0],
    ],
    why: 'the first with the pinned machine type; CVE-2024-3446, a double free in virtio-serial, is fixed',
  },
};

/** Whether a version is at or above the minimum of its branch. */
export function meetsMinimum(part: Part, version: Version): boolean {
  const { since } = minimums[part];
  const branch = since.find((first) => first.slice(0, -1).every((number, at) => number === version[at]));
  if (branch !== undefined) return compare(version, branch) >= 0;
  const newest = since.at(-1) ?? [];
  return compare(version, newest) > 0;
}

/** Negative, 0 or positive, as for Array.sort; missing numbers count as 0. */
export function compare(one: Version, other: Version): number {
  for (let at = 0; at < Math.max(one.length, other.length); at++) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export const minimumText = (part: Part): string =>
  minimums[part].since.map((version) => version.join('.')).join(', ');
