/** Kind of package that an entry is of. `generic`: a file that only `quorate.lock` names. */
export type Ecosystem = 'npm' | 'cargo' | 'go' | 'pypi' | 'generic';

/** The digest of a file by `algorithm` is one of `digests`. `dirhash`: the `h1:` of go.sum (golang.org/x/mod/sumdb/dirhash, Hash1). */
export interface Integrity {
  algorithm: 'sha512' | 'sha384' | 'sha256' | 'dirhash';
  /** Lower-case hexadecimal, sorted, each once. */
  digests: string[];
}

/**
 * Where the file comes from. Nothing here is trusted: bytes count by their hash.
 * - `registry`: name and version at the registry that the fetching machine has configured. `url` is the address that the lock
 *   names, where it names one of the usual form; `registry` is the index that Cargo.lock names for the package, as cargo's
 *   configuration spells it (`sparse+https://…/`, `https://…`), absent for that of cargo's own registry.
 * - `url`: an address that the lock or `quorate.lock` names, http or https, without credentials.
 * - `git`: a commit of a repository. `url` is without `git+` and fragment.
 */
export type Origin =
  | { kind: 'registry'; url?: string; registry?: string }
  | { kind: 'url'; url: string }
  | { kind: 'git'; url: string; commit: string };

/** Where a package can be installed, in npm's words (`linux`, `!win32`, `x64`, `glibc`). Absent: no restriction. */
export interface Platform {
  os?: string[];
  cpu?: string[];
  libc?: string[];
}

/** One file that lock files demand; from two origins it is two entries. */
export interface Entry {
  ecosystem: Ecosystem;
  /** As its registry spells it: `@scope/name`, `example.org/Module`; a Python name is normalised (PEP 503). Never an alias. */
  name: string;
  version: string;
  /** Package URL (ECMA-427). */
  purl: string;
  /** Name of the file as its registry has it, such as `left-pad-1.3.0.tgz`, `v1.2.3.mod`. No path. */
  file: string;
  integrity: Integrity;
  /** The hash as the lock writes it, such as `sha1-…` where `quorate.lock` adds a sha256. Absent where it has none. */
  locked?: string;
  origin: Origin;
  /** Address of the file that `quorate.lock` names. */
  mirror?: string;
  platform?: Platform;
  /** An installation goes on without it, as where it does not fit the platform. */
  optional?: true;
  /** Path of the lock file that names it first, and the line there, from 1. */
  lock: string;
  line: number;
}

/** An entry as a parser finds it. `quorate.lock` completes what the lock leaves open. */
export interface Found extends Omit<Entry, 'integrity' | 'file'> {
  /** Absent where the lock does not say which of several files it means. */
  file?: string;
  /** Absent where the lock has no hash that counts. Where `file` is absent, of all files that the lock allows. */
  integrity?: Integrity;
  /** Why `quorate.lock` has to complete it, for people. Present where `file` or `integrity` is absent. */
  lacks?: string;
}
