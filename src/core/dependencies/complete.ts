import type { Entry, Found } from './entry.ts';
import { lockFault, quote } from './fault.ts';
import type { FixedAt } from './quorate-lock.ts';

/** What `quorate.lock` fixes, by package URL. */
export class FixedFiles {
  readonly #byPurl = new Map<string, FixedAt[]>();

  constructor(records: readonly FixedAt[]) {
    for (const record of records) {
      const same = this.#byPurl.get(record.purl);
      if (same === undefined) this.#byPurl.set(record.purl, [record]);
      else same.push(record);
    }
  }

  /**
   * The entries of what a lock names. What the lock leaves open is completed; Go's `.info` files, of which go.sum has no hash, are
   * added. Throws `LOCK_INCOMPLETE` for what is open still, `LOCK_CONFLICT` where the two contradict each other.
   */
  complete(found: Found): Entry[] {
    const { file, integrity, lacks, ...rest } = found;
    const fixed = this.#byPurl.get(found.purl) ?? [];
    if (file === undefined) return this.#chosen(found, fixed);
    if (integrity === undefined) return [this.#hashed({ ...found, file }, fixed)];
    const infos = found.ecosystem === 'go' && file.endsWith('.mod') ? fixed : [];
    return [
      { ...rest, file, integrity },
      ...infos
        .filter((record) => record.file === file.replace(/mod$/, 'info'))
        .map((record) => entryOf(rest, record)),
    ];
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
    return fixed.map((record) => entryOf(rest, record));
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
    'quorate.lock at the top of the source tree has to name it, with its file and sha256.',
  );
