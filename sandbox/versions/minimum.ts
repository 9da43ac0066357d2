/** What a sandbox is made of and a stranger's build leans against. */
export type Part = 'kernel' | 'bubblewrap' | 'runsc' | 'qemu';
export type Version = readonly number[];

interface Minimum {
  /**
   * The first good release of each branch that has one and is not too old for us, ascending; the last number is what grew
   * in that branch. Newer branches are good from their beginning, those between never became it.
   */
  readonly since: readonly Version[];
  readonly why: string;
}

/**
 * Below these a tier runs no stranger's job. They are the minimumText, for machines whose package manager knows nothing or says
 * nothing: what a distribution mends without a new number, only its own list of updates tells (see updates.ts).
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
    // What was found since needs a setuid bwrap (CVE-2026-41163: it is looked for), or a folder that a build can write to
    // and bwrap mounts into (GHSA-pxhw-h44j-8pfx: there is none).
    since: [[0, 8, 0]],
    why: 'the first with --disable-userns and --size; CVE-2020-5291 is mended',
  },
  runsc: {
    // CVE-2025-2713 lets the first process read as root until it forks: that is our driver, and steps are forked.
    since: [[20240729]],
    why: 'the oldest that its tests were run on; CVE-2023-7258 is mended',
  },
  qemu: {
    // 7.2.11 is mended as well, and knows no machine of the kind that is pinned (pc-q35-8.2).
    since: [
      [8, 2, 3],
      [9, 0, 0],
    ],
    why: 'the first with the machine that builds get; CVE-2024-3446, memory freed twice by virtio-serial, is mended',
  },
};

/** Whether a version has what the minimum asks for. */
export function meetsMinimum(part: Part, version: Version): boolean {
  const { since } = minimums[part];
  const branch = since.find((first) => first.slice(0, -1).every((number, at) => number === version[at]));
  if (branch !== undefined) return compare(version, branch) >= 0;
  const newest = since.at(-1) ?? [];
  return compare(version, newest) > 0;
}

export function compare(one: Version, other: Version): number {
  for (let at = 0; at < Math.max(one.length, other.length); at++) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The minimum in words. */
export function minimumText(part: Part): string {
  return minimums[part].since.map((version) => version.join('.')).join(', ');
}
