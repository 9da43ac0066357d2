import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { compareTexts, fromUtf8 } from '../base/text.ts';
import { parseCargo } from './cargo.ts';
import { FixedFiles } from './complete.ts';
import type { Entry, Found } from './entry.ts';
import { invalid, lockFault, quote, unsupported } from './fault.ts';
import { base64ToHex, sameHash } from './integrity.ts';
import { dependencyLimits } from './limits.ts';
import { checkName, checkVersion, purlOf } from './names.ts';
import { parseNpm } from './npm.ts';
import type { Arch } from './platform.ts';
import { parsePnpm } from './pnpm.ts';
import { type Fixed, type FixedAt, genericEntries, parseQuorateLock } from './quorate-lock.ts';
import { parseRequirements } from './requirements.ts';
import { parseYarn } from './yarn.ts';

/** The modules of `go.sum` or `go.work.sum`: an archive or a go.mod a line. All are taken: what a build needs depends on Go's version. */
function parseGoSum(text: string, lock: string): Found[] {
  return text.split(/\r?\n/).flatMap((line, index): Found[] => {
    if (line.trim() === '') return [];
    const at = { lock, line: index + 1 };
    const [name = '', full = '', hash = '', ...rest] = line.trim().split(/[ \t]+/);
    if (hash === '' || rest.length > 0) throw invalid(at, `${quote(line)} is not MODULE VERSION HASH`);
    checkName('go', name, at);
    const version = checkVersion(full.replace(/\/go\.mod$/, ''), at);
    if (!version.startsWith('v')) throw invalid(at, `${quote(version)} is not a version of a module`);
    const hex = hash.startsWith('h1:') ? base64ToHex(hash.slice('h1:'.length)) : undefined;
    if (hex?.length !== 64) throw invalid(at, `${quote(hash)} is not a hash of go.sum`);
    return [
      {
        ecosystem: 'go',
        name,
        version,
        purl: purlOf('golang', name, version),
        file: `${version}.${full === version ? 'zip' : 'mod'}`,
        integrity: { algorithm: 'dirhash', digests: [hex] },
        locked: hash,
        origin: { kind: 'registry' },
        ...at,
      },
    ];
  });
}

/** The records that `quorate.lock` needs for some lock files, and those that it has. */
interface OpenFiles {
  /** Files that lock files demand and nothing names, each once. */
  open: Found[];
  /** Records of `quorate.lock` that stay. */
  kept: Fixed[];
}

/**
 * Files that lock files leave open on this architecture. Kept are records that lock files need, of no package, and of Python packages,
 * with which source archives are built. A record that contradicts its lock file goes.
 * @throws {QuorateError} `LOCK_…`, but not `LOCK_INCOMPLETE` and `LOCK_CONFLICT`
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

/** At the top of a source tree. */
export const quorateLock = 'quorate.lock';

/** Text of a file of the source tree. Throws `LOCK_INVALID` where it is not there. */
type Files = (path: string) => string;

/** Options for reading a lock file. */
interface Reading {
  path: string;
  text: string;
  arch: Arch;
  /** All lock files of the job. */
  listed: ReadonlySet<string>;
}

type Parser = (reading: Reading) => Found[];

const npm: Parser = ({ text, path }) => parseNpm(text, path);
const goSum: Parser = ({ text, path }) => parseGoSum(text, path);

/** By the name of the file. */
const parsers: Readonly<Record<string, Parser>> = {
  'package-lock.json': npm,
  'npm-shrinkwrap.json': npm,
  'pnpm-lock.yaml': ({ text, path }) => parsePnpm(text, path),
  'yarn.lock': ({ text, path }) => parseYarn(text, path),
  'Cargo.lock': ({ text, path }) => parseCargo(text, path),
  'go.sum': goSum,
  'go.work.sum': goSum,
};
/** `requirements.txt`, `requirements-dev.txt`, `test-requirements.txt`, `requirements/base.txt`. */
const requirementsFile = /(?:^|\/)(?:[\w.-]*requirements[\w.-]*|requirements\/[\w.-]+)\.txt$/;
const requirements: Parser = ({ text, path, arch, listed }) => parseRequirements(text, path, arch, listed);

const known = [...Object.keys(parsers), 'requirements.txt', quorateLock].join(', ');
/** Formats that people have and that are not read. */
const others: Readonly<Record<string, string>> = {
  'uv.lock': 'uv',
  'poetry.lock': 'Poetry',
  'pdm.lock': 'PDM',
  'Pipfile.lock': 'Pipenv',
  'bun.lock': 'Bun',
  'bun.lockb': 'Bun',
  'deno.lock': 'Deno',
  'Gemfile.lock': 'Bundler',
  'composer.lock': 'Composer',
};

function parserOf(path: string): Parser {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const parser = Object.hasOwn(parsers, name) ? parsers[name] : undefined;
  if (parser !== undefined) return parser;
  if (requirementsFile.test(path)) return requirements;
  const tool = Object.hasOwn(others, name) ? `the lock file of ${others[name]}` : `the file ${quote(name)}`;
  throw unsupported({ lock: path, line: 1 }, tool, `Lock files that are read: ${known}.`);
}

/** Files of the source tree that `readLocks` reads for these locks. `optional`: it may be absent. */
export function filesOfLocks(locks: readonly string[]): { path: string; optional: boolean }[] {
  const needed = new Set(locks);
  const files = [...needed].map((path) => ({ path, optional: false }));
  return needed.has(quorateLock) ? files : [...files, { path: quorateLock, optional: true }];
}

/**
 * The files that lock files demand on this architecture, sorted by package URL, file and origin, each once. Pure.
 * `files`: those of `filesOfLocks` that are there. @throws {QuorateError} `LOCK_…`; the message begins with `path:line:`
 */
export function readLocks(
  locks: readonly string[],
  files: ReadonlyMap<string, Uint8Array>,
  arch: Arch,
): Entry[] {
  const { found, records } = foundIn(locks, files, arch);
  const fixed = new FixedFiles(records, arch);
  const merged = new Merged();
  for (const one of found) for (const entry of fixed.complete(one)) merged.add(entry);
  if (locks.some((path) => requirementsFile.test(path)))
    for (const entry of fixed.buildRequirements()) merged.add(entry);
  return merged.sorted();
}

/** Entries that lock files name, complete or not, and those of `quorate.lock`. Throws `LOCK_…`. */
export function foundIn(
  locks: readonly string[],
  files: ReadonlyMap<string, Uint8Array>,
  arch: Arch,
): { found: Found[]; records: FixedAt[] } {
  const text = textsOf(files);
  if (locks.length > limits.jobLocksMax)
    throw new QuorateError(
      'LOCK_TOO_LARGE',
      `${locks.length} lock files; at most ${limits.jobLocksMax} are read`,
    );
  const records = files.has(quorateLock) ? parseQuorateLock(text(quorateLock), quorateLock) : [];
  const listed = new Set(locks);
  const found = [...listed].flatMap((path) =>
    path === quorateLock ? genericEntries(records) : parserOf(path)({ path, text: text(path), arch, listed }),
  );
  return { found: withHashes(found), records };
}

/** A place without a hash has that of another place that means the same file: npm leaves it out at some. */
function withHashes(found: readonly Found[]): Found[] {
  const known = new Map<string, Found>();
  for (const one of found) if (one.integrity !== undefined) known.set(fileKey(one), one);
  return found.map((one) => {
    const { integrity } = known.get(fileKey(one)) ?? {};
    if (one.integrity !== undefined || integrity === undefined) return one;
    const { lacks: _, ...rest } = one;
    return { ...rest, integrity };
  });
}

const fileKey = ({ purl, file = '' }: Found): string => `${purl} ${file}`;

function textsOf(files: ReadonlyMap<string, Uint8Array>): Files {
  return (path) => {
    const at = { lock: path, line: 1 };
    const bytes = files.get(path);
    if (bytes === undefined)
      throw lockFault(
        'LOCK_NOT_FOUND',
        at,
        'the source tree has no such file',
        'Add the lock file to the repository. Its path in quorate.yaml begins at the top of the repository.',
      );
    const { lockBytesMax } = dependencyLimits;
    if (bytes.length > lockBytesMax)
      throw lockFault('LOCK_TOO_LARGE', at, `${bytes.length} bytes; at most ${lockBytesMax} are read`);
    try {
      return fromUtf8(bytes);
    } catch {
      throw invalid(at, 'the file is not UTF-8');
    }
  };
}

/** The entries of all locks: each file once for each origin. */
class Merged {
  readonly #entries = new Map<string, Entry>();
  readonly #byFile = new Map<string, Entry>();

  /** Throws `LOCK_CONFLICT` where a file was named with other hashes. */
  add(entry: Entry): void {
    const same = this.#byFile.get(fileKey(entry));
    if (same === undefined) this.#byFile.set(fileKey(entry), entry);
    else if (!sameHash(same.integrity, entry.integrity)) {
      const message = `${quote(entry.purl)} has another hash here than in ${same.lock}:${same.line}`;
      throw lockFault('LOCK_CONFLICT', entry, message, 'One of them is not what its registry serves.');
    }
    const { entriesMax } = dependencyLimits;
    if (this.#entries.size === entriesMax)
      throw lockFault('LOCK_TOO_LARGE', entry, `the lock files name more than ${entriesMax} files`);
    const key = `${fileKey(entry)} ${JSON.stringify(entry.origin)}`;
    const before = this.#entries.get(key);
    // A place where it is needed everywhere outweighs one where it is optional.
    if (before?.optional && !entry.optional) {
      const { optional: _, ...rest } = before;
      this.#entries.set(key, rest);
    } else if (before === undefined) this.#entries.set(key, entry);
  }

  sorted(): Entry[] {
    return [...this.#entries].sort(([a], [b]) => compareTexts(a, b)).map(([, entry]) => entry);
  }
}
