import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

/** Bounds of fetching dependencies from registries. */
export const fetchLimits = {
  /** One file. The largest packages of registries have a few hundred MiB. */
  fileBytesMax: 2 * 1024 ** 3,
  /** The same of an answer that does not say how long it is, such as an archive that a forge makes while it sends it. */
  undeclaredBytesMax: 256 * 1024 ** 2,
  /** All files of one job, which become one tree. */
  totalBytesMax: limits.treeBytesMax,
  /** Lists of files that a registry answers with. */
  listBytesMax: 32 * 1024 * 1024,
  /** Files in an archive whose hash is of the files in it: what the format holds without its 64-bit form. Their bytes: the limit of go. */
  archiveFilesMax: 65_535,
  archiveBytesMax: 500 * 1024 * 1024,
  /** Names, comments and other fields of these files, which are in memory: 128 bytes for each of them. */
  archiveNamesBytesMax: 8 * 1024 * 1024,
  /** Files that are fetched at once. */
  parallel: 24,
  redirectsMax: 5,
  /** For a connection to be made. */
  connectMs: 20_000,
  /** Between two parts of an answer. */
  idleMs: 30_000,
  /** For the head of an answer, with all that comes before it. */
  headMs: 60_000,
  /** Window of the least rate of an answer, of the time that it is waited for. */
  leastRateMs: limits.leastRateMs,
  /** For a list of files, with all attempts. */
  listMs: 5 * 60_000,
  /** For one file, with all its attempts. */
  fileMs: 30 * 60_000,
  /** Tries of one address. */
  attempts: 3,
  /** Before another try; twice as long before the third. */
  retryMs: 1_000,
  /** The longest wait that a server may ask for with `Retry-After`. */
  retryAfterMsMax: 30_000,
  /** For a package manager to print its configuration. */
  clientMs: 20_000,
  clientBytesMax: 4 * 1024 * 1024,
  /** A file that no build asked for so long is removed. */
  unusedDaysMax: 60,
} as const;

const own = fetchLimits;
assert(own.fileBytesMax <= own.totalBytesMax, 'one file fits into a job');
assert(own.undeclaredBytesMax <= own.fileBytesMax, 'a length that is stated allows more');
assert(own.listBytesMax <= own.undeclaredBytesMax, 'a list is in memory, a file is not');
assert(own.clientBytesMax <= own.listBytesMax, 'a configuration is shorter than a list');
assert(own.archiveBytesMax <= own.fileBytesMax, 'an archive whose files are hashed is a file');
assert(own.archiveFilesMax <= 0xffff, 'an archive is remade without the 64-bit form');
assert(
  own.fileBytesMax >= (own.fileMs / 1000) * 2 ** 20,
  'the time for a file is that of the largest at 1 MiB a second',
);
assert(own.connectMs < own.headMs, 'a connection comes before the head');
assert(own.idleMs < own.headMs, 'silence is noticed before the head has to be here');
assert(own.headMs < own.listMs, 'a head without end leaves time for another try');
assert(own.retryMs <= own.retryAfterMsMax, 'a server may ask for more than the usual wait');
assert((own.attempts - 1) * own.retryAfterMsMax < own.listMs, 'waits between tries leave time for these');
assert(own.clientMs < own.listMs, 'a configuration is read before a list');
assert(own.listMs <= own.fileMs, 'a list takes no longer than a file');
