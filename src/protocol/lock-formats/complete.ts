import type { Entry, Found } from './entry.ts';
import { invalid, lockFault, quote } from './fault.ts';
import { checkVersion } from './names.ts';
import { type Arch, fits } from './platform.ts';
import type { FixedAt } from './quorate-lock.ts';

/** The entries of `quorate.lock`, by package URL. */
export class FixedFiles {
  readonly #byPurl: ReadonlyMap<string, readonly FixedAt[]>;
  readonly #arch: Arch;

  constructor(records: readonly FixedAt[], arch: Arch) {
    this.#byPurl = Map.groupBy(records, ({ purl }) => purl);
    this.#arch = arch;
  }

  /**
   * Completes what the lock leaves open, for this architecture; adds Go's `.info` files, of which go.sum has no hash.
   * @throws {QuorateError} `LOCK_INCOMPLETE` for what is still open, `LOCK_CONFLICT` where the two contradict each other
   */
  complete(found: Found): Entry[] {
    const { file, integrity, lacks, ...rest } = found;
    const fixed = this.#byPurl.get(found.purl) ?? [];
    if (file === undefined) return this.#chosen(found, fixed);
    if (!fits({ ...rest, file }, this.#arch)) return [];
    if (integrity === undefined) return [this.#hashed({ ...found, file }, fixed)];
    const infos = found.ecosystem === 'go' && file.endsWith('.mod') ? fixed : [];
    return [
      { ...rest, file, integrity },
      ...infos
        .filter((record) => record.file === file.replace(/mod$/, 'info'))
        .map((record) => entryOf(rest, record)),
    ];
  }

  /** Files of Python packages, for a build on this architecture: source archives are built with some that no lock names. */
  buildRequirements(): Entry[] {
    return [...this.#byPurl.values()]
      .flat()
      .flatMap((record): Entry[] => {
        const match = /^pkg:pypi\/([a-z0-9-]+)@([^?]+)$/.exec(record.purl);
        if (match === null) return [];
        const [, name = '', version = ''] = match;
        const common = { ecosystem: 'pypi' as const, name, version: decodePart(version, record) };
        return [
          entryOf({ ...common, purl: record.purl, origin: { kind: 'registry' }, ...record.at }, record),
        ];
      })
      .filter((entry) => fits(entry, this.#arch));
  }

  /** The lock allows several files. */
  #chosen(found: Found, fixed: readonly FixedAt[]): Entry[] {
    const { file: _, integrity, lacks: _lacks, ...rest } = found;
    if (fixed.length === 0) throw open(found);
    for (const { sha256, file, at } of fixed) {
      if (integrity?.digests.includes(sha256)) continue;
      const where = `${rest.lock}:${rest.line}`;
      throw lockFault(
        'LOCK_CONFLICT',
        at,
        `the sha256 of ${quote(file)} is none of those in ${where}`,
        again,
      );
    }
    const entries = fixed.map((record) => entryOf(rest, record)).filter((entry) => fits(entry, this.#arch));
    if (entries.length === 0) throw open({ ...rest, lacks: `none of its files is for ${this.#arch}` });
    return entries;
  }

  #hashed(found: Found & { file: string }, fixed: readonly FixedAt[]): Entry {
    const { integrity: _, lacks: _lacks, ...rest } = found;
    const [record, second] = fixed;
    if (record === undefined) throw open(found);
    if (second !== undefined)
      throw lockFault(
        'LOCK_CONFLICT',
        second.at,
        `${quote(second.purl)} is one file, and is here twice`,
        again,
      );
    return entryOf(rest, record);
  }
}

function decodePart(text: string, { at, purl }: FixedAt): string {
  try {
    return checkVersion(decodeURIComponent(text), at);
  } catch {
    throw invalid(at, `${quote(purl)} is not a package URL`);
  }
}

const again = 'Run: quorate lock.';

const entryOf = (
  rest: Omit<Found, 'file' | 'integrity' | 'lacks'>,
  { file, sha256, url }: FixedAt,
): Entry => ({
  ...rest,
  file,
  integrity: { algorithm: 'sha256', digests: [sha256] },
  ...(url !== undefined && { mirror: url }),
});

const open = (found: Found): Error =>
  lockFault(
    'LOCK_INCOMPLETE',
    found,
    `${quote(found.purl)} is not fixed: ${found.lacks ?? 'it has no hash'}`,
    'Run: quorate lock. It writes quorate.lock, which names the file and its sha256; commit that.',
  );
