import { assert } from './errors.ts';

/** Bounds that several folders share. A limit that is reached is a coded error, never a hang or a crash. */
export const limits = {
  /** One signed document. An offer notice, the largest, holds a job, a request and two grants: about ten kilobytes. */
  documentBytesMax: 256 * 1024,
  /** A receipt lists each output file with its sha256, about 150 bytes per file. */
  receiptBytesMax: 8 * 1024 * 1024,
  /** An evidence bundle holds several receipts. */
  bundleBytesMax: 64 * 1024 * 1024,
  /** Output files listed in one receipt, so that other tools can check a single file. Larger trees are refused. */
  outputFilesMax: 20_000,
  /** Output files of a job that does not say how many it makes. Each costs every controller and consumer a line. */
  outputFilesDefault: 2_000,
  /** Lifetime of a grant. A revoked operator loses access within a day although no server is asked. */
  grantSecondsMax: 24 * 3600,
  /** Difference between two clocks up to which a document counts neither as issued in the future nor as expired. */
  clockSkewSeconds: 60,
  /** Time from a service's challenge to the sign-in with a key that answers it: one request, made at once. */
  signInSecondsMax: 60,
  /** Lifetime of what tells a service who is signed in. Somebody revoked is out after it at the latest, with the identity provider out of reach. */
  sessionSecondsMax: 300,
  /** Steps of one job. Jobs are written by hand. */
  jobStepsMax: 200,
  /** One step's command line. */
  stepBytesMax: 16 * 1024,
  /** One job as a document, all steps together. */
  jobBytesMax: 64 * 1024,
  jobLocksMax: 32,
  /** Jobs of one commit, with all combinations of their matrices: one command publishes all of them. */
  pipelineJobsMax: 100,
  /** Bundles inside a bundle: of each job that its own rests on, and for each of these and itself that of an earlier request. */
  bundleInputsMax: 201,
  /** Artifacts that one job reads. */
  jobInputsMax: 64,
  /** The least number of processes and threads a job may ask for: a shell and a few commands. */
  jobPidsMin: 8,
  /** The least memory a job may ask for: a shell and a few commands. */
  jobMemoryBytesMin: 16 * 1024 * 1024,
  /** A path inside a tree: Linux's PATH_MAX. */
  pathBytesMax: 4096,
  /** Directories above a file of a tree; deeper trees are refused, so that recursion is bounded. */
  pathDepthMax: 64,
  /** One component of a path: Linux's NAME_MAX. */
  nameBytesMax: 255,
  /** Files, directories and links of one tree: bounds the time of a walk. */
  treeEntriesMax: 200_000,
  /** All file contents of one tree. */
  treeBytesMax: 8 * 1024 * 1024 * 1024,
  /** Blocks of one tree: one per file, directory or link, and one per chunk of a large file. */
  treeBlocksMax: 500_000,
  /** The largest block of the UnixFS profile: a chunk of 1 MiB and its framing. */
  blockBytesMax: 1024 * 1024 + 1024,
  /** One build's log. The rest is cut off and replaced by a line that says so. */
  logBytesMax: 16 * 1024 * 1024,
  /** One line of a log; longer ones are split. */
  logLineBytesMax: 8 * 1024,
  /** Lines of a log whose times are kept: one in each second of half an hour, of a longer build in each other second, and so on. */
  logTimesMax: 2_000,
  /** The same as text, in a message with a receipt: two small numbers each. */
  logTimesCharsMax: 24 * 1024,
  /** The latest of these: as long as a request may last. */
  logTimeMsMax: 7 * 24 * 3600 * 1000,
  /** Requests that are open at one controller, and offers in one message of its feed. */
  openRequestsMax: 1_000,
  /** Leases of one slot within one round: one and three replacements for leases that were lost. */
  slotLeasesMax: 4,
  /** Offers in one answer of a feed, by stream or by HTTP. The next answer has the rest. */
  feedOffersMax: 100,
  /** One answer of the HTTP feed: a hundred offers of ten kilobytes with room to spare; further offers wait for the next. */
  feedBytesMax: 16 * 1024 * 1024,
  /** HTTP feed addresses of one controller that a worker keeps: one per network of a host with several. */
  feedUrlsMax: 4,
  /** Revocations of one project by one key other than the root's, and in one message: 3 MB at 3 kB each. */
  revocationsMax: 1_000,
  /** Used tickets of one identity provider's key: a thousand operators with a new ticket a month replace it within ten months. */
  ticketsOfKeyMax: 10_000,
  /** Joinings with them, of 300 bytes each in memory and in the journal: a hundred hosts of each of a thousand operators. */
  joinsOfKeyMax: 100_000,
  /** By the root key; beyond it the project is refused. 30 MB at 3 kB each, kept in one file and told in thirteen messages. */
  rootRevocationsMax: 10_000,
  /** Messages that all of them take: those of the root, and of as many other keys as ever signed some. */
  revocationPagesMax: 80,
  /** Charters beside them in one message: one for each key that signed some. An owner changes the identity provider's now and then. */
  revocationChartersMax: 64,
  /** Evidence of equivocation: a charter, two checkpoints and two proofs; a charter of ordinary length has 2 kB. */
  equivocationCharsMax: 64 * 1024,
  /** Of these, of one project: one for each log key that its root ever named. They are in each message of revocations. */
  equivocationsMax: 32,
  /** Leaves of the transparency log in one answer: 1.6 MB at 160 bytes each. */
  leavesPerMessageMax: 10_000,
  /** Flow-control window of a stream, the bytes in flight to a reader that does not read: 20 MB/s at 50 ms. */
  meshWindowBytes: 1024 * 1024,
  /** Bytes that may be sent at once under a bandwidth limit, as milliseconds of that limit: timers are late by some of these. */
  bandwidthBurstMs: 100,
  /** Disk for images where the owner of a host sets none. */
  imageCacheBytesDefault: 10 * 2 ** 30,
  /** One run of git: a checkout of a large project from a slow server. */
  gitSecondsMax: 600,
  /** Silence of git or its server. `--progress` makes a server that works send a line every second. */
  gitIdleSecondsMax: 60,
  /** Least rate of a body or pack that a server sends, over a window of the time that it is waited for: below it the server is given up. */
  leastRateBytes: 512,
  leastRateMs: 30_000,
} as const;

const { stepBytesMax, jobBytesMax, documentBytesMax, receiptBytesMax, outputFilesMax } = limits;
assert(stepBytesMax <= jobBytesMax, 'a job holds its longest step');
assert(jobBytesMax < documentBytesMax, 'an offer notice holds a job');
assert(outputFilesMax * 150 <= receiptBytesMax, 'a receipt holds a line for each output file');
assert(limits.outputFilesDefault < outputFilesMax, 'a job can ask for more files than the default');
assert(2 * receiptBytesMax <= limits.bundleBytesMax, 'a bundle holds several receipts');
assert(limits.pipelineJobsMax <= limits.openRequestsMax, 'all jobs of a commit can be open at once');
assert(
  limits.bundleInputsMax > 2 * limits.pipelineJobsMax,
  'each job of a pipeline may rest on an earlier request',
);
assert(limits.jobInputsMax < limits.pipelineJobsMax, 'a pipeline holds a job and all that it reads');
assert(limits.nameBytesMax <= limits.pathBytesMax, 'a path holds its longest component');
assert(
  limits.treeEntriesMax + limits.treeBytesMax / 2 ** 20 <= limits.treeBlocksMax,
  'a full tree has a block for each entry and for each chunk of 1 MiB',
);
assert(limits.logLineBytesMax <= limits.logBytesMax, 'a log holds its longest line');
assert(10 * limits.logTimesMax <= limits.logTimesCharsMax, 'times of ordinary lines fit into their message');
assert(limits.logTimesCharsMax < documentBytesMax, 'times are the smaller part of a message');
assert(
  limits.feedOffersMax <= limits.openRequestsMax,
  'one answer of a feed has no more offers than there can be',
);
assert(
  limits.rootRevocationsMax <= limits.revocationPagesMax * limits.revocationsMax,
  'all revocations of the root are told',
);
assert(limits.clockSkewSeconds < limits.grantSecondsMax, 'a grant outlives the tolerated clock difference');
assert(limits.gitIdleSecondsMax < limits.gitSecondsMax, 'silence is noticed before the whole time is over');
assert(limits.leastRateMs < limits.gitSecondsMax * 1000, 'so is a trickle');
