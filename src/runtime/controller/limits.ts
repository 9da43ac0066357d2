import { assert } from '../../core/errors.ts';
import { judgeLimits } from '../../core/judge/limits.ts';
import { limits } from '../../core/limits.ts';
import { threadLimits } from '../../dependencies/limits.ts';
import { meshLimits } from '../../mesh/limits.ts';
import { artifactLimits } from '../artifacts/limits.ts';
import { nodeLimits } from '../node/limits.ts';

/** Bounds of a controller's process. */
export const controllerNodeLimits = {
  /** Connections of a controller where its owner says nothing: one per member, and some for those who ask. */
  connectionsDefault: 2_000,
  /** Runs on one page of a list. */
  pageRunsMax: 50,
  /** Members in one answer on the control socket: 300 bytes each. */
  membersPerAnswer: 1_000,
  /** Workers on the page of a project. */
  pageWorkersMax: 200,
  /** Log files of which it is remembered where lines begin: two numbers for each 500 lines. */
  logIndexesMax: 64,
  /** To look up the addresses of a worker that a store is told of. */
  findPeerMs: 5_000,
  /** For all blocks of one look at whether a store serves what it says it keeps. */
  probeMs: 20_000,
  /** Of these, from the root of the tree on. */
  probeBlocks: 8,
  /** Files that are read of a folder of bundles; each is verified once. */
  pageBundlesMax: 10_000,
  /** Documents of bundles that were lost, on disk until these are made again: at 30 kB each those of 70,000 runs. */
  spoolBytesMax: 2 * 1024 ** 3,
  /** For the answer of a controller that starts or ends. */
  controlWaitMs: 20_000,
  /** For the journal, while a command reads that of a stopped controller. */
  journalWaitMs: 5_000,
  /** For the list of what an artifact was made from, which verifies a bundle: the largest takes some seconds. */
  sbomSecondsMax: 30,
  /** Memory of that. */
  sbomMemoryMiB: 512,
  /** Characters of such lists that are kept. */
  sbomCharsMax: 32 * 1024 * 1024,
  /** How long a drain may wait: as long as a request may last. */
  drainMsMax: judgeLimits.requestSecondsMax * 1000,
} as const;

const { controlWaitMs, journalWaitMs, membersPerAnswer, pageRunsMax, pageWorkersMax } = controllerNodeLimits;
assert(
  controllerNodeLimits.connectionsDefault <= meshLimits.bootstrapConnectionsMax,
  'a controller has no more members than bootstrap nodes have places',
);
assert(pageRunsMax <= limits.openRequestsMax, 'a page shows a part of what may be open');
assert(pageWorkersMax <= membersPerAnswer, 'a page shows a part of the members');
assert(membersPerAnswer * 300 <= nodeLimits.controlAnswerBytesMax, 'an answer holds its members');
assert(
  nodeLimits.controlMsMax < controlWaitMs,
  'an answer that does not come is noticed before the wait is over',
);
assert(journalWaitMs < controlWaitMs, 'a wait for the journal ends before that for an answer');
assert(controllerNodeLimits.findPeerMs < controllerNodeLimits.probeMs, 'a look at a store finds it first');
assert(
  controllerNodeLimits.probeMs < artifactLimits.repairSeconds * 1000,
  'a few blocks take less than a tree',
);
assert(controllerNodeLimits.probeBlocks < limits.pathDepthMax, 'a look goes down a part of the deepest tree');
assert(controllerNodeLimits.spoolBytesMax < limits.treeBytesMax, 'what was lost takes less room than a tree');
assert(controllerNodeLimits.sbomCharsMax <= limits.bundleBytesMax, 'kept lists take less than a bundle');
assert(
  controllerNodeLimits.sbomSecondsMax < threadLimits.seconds &&
    controllerNodeLimits.sbomMemoryMiB < threadLimits.memoryMiB,
  'a thread for anybody costs less than one for a member',
);
