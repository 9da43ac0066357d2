import { assert } from '../base/errors.ts';

/** Bounds of what is read from lock files. */
export const dependencyLimits = {
  /** One lock file: 100,000 entries of npm's, at about 450 bytes each. */
  lockBytesMax: 48 * 1024 * 1024,
  /** One lock file in YAML, which takes the most time and memory to read: a pnpm lock of 50,000 packages. */
  yamlCharsMax: 24 * 1024 * 1024,
  /** Files that all locks of a job demand together. The largest known front ends have 5,000. */
  entriesMax: 100_000,
  /** Nesting of a lock file's values. npm's lock version 2 repeats its tree in a section that is nested two levels a package. */
  depthMax: 256,
  /** A name of a package: the longest are paths of Go modules. */
  nameCharsMax: 512,
  versionCharsMax: 256,
  urlCharsMax: 2_000,
  /** A package URL with the address of a repository in it, percent-encoded. */
  purlCharsMax: 8_000,
  /** One index: 100,000 blobs, most with two hashes and a CID, about 500 bytes each. */
  indexBytesMax: 64 * 1024 * 1024,
  /** Hashes of one entry. A Python requirement has one for each of its wheels. */
  digestsMax: 1_000,
} as const;

assert(dependencyLimits.yamlCharsMax <= dependencyLimits.lockBytesMax, 'a character has a byte at least');
assert(dependencyLimits.nameCharsMax <= dependencyLimits.urlCharsMax, 'an address holds the name');
