import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

/** Bounds of `quorate on`. */
export const hookLimits = {
  /** Pause between two questions to the controller, in ms. */
  pollMs: 2_000,
  /** Longest pause while the controller cannot be reached, in ms. */
  pollMsMax: 60_000,
  /** Attempts to get the evidence, the revocations and the files of one run; then it is refused. */
  triesMax: 5,
  /** Pause after the first failed attempt, in ms; twice as long after each further one. */
  retryMs: 1_000,
  /** The longest one is this many times doubled: a quarter of an hour. */
  doublingsMax: 10,
  /** Greatest age of a line under the checkpoint up to which all revocations are known, in seconds. */
  checkpointAgeSeconds: 600,
  /** Time for one attempt, files included, in ms. */
  takeMsMax: 60 * 60_000,
  /** From SIGTERM to SIGKILL for a command whose time is up, in ms. */
  killMs: 10_000,
  /** The same on Ctrl-C, in ms: a command of Quorate ends within 2,500 ms. */
  stopKillMs: 1_500,
  /** Handled runs that are remembered one by one; log indexes guard those of before. */
  entriesMax: 10_000,
  /** Lines (repository, ref and job) whose last log index is remembered. */
  linesMax: 10_000,
  /** Of these, those of one operator: several leave room for others. */
  linesPerPublisherMax: 2_500,
  /** Pause between two questions to members for evidence against the log, in ms. */
  askMembersMs: 5 * 60_000,
  /** Characters of a reason in a journal and an environment. */
  textCharsMax: 500,
} as const;

const own = hookLimits;
assert(own.pollMs <= own.pollMsMax, 'the longest pause is no shorter than the usual one');
assert(own.stopKillMs < 2_500, 'a command is killed before the process that waits for it ends');
assert(own.pollMsMax < own.checkpointAgeSeconds * 1000, 'a line is asked for before it is too old');
assert(own.askMembersMs < own.checkpointAgeSeconds * 1000, 'members are asked before a line is too old');
assert(own.checkpointAgeSeconds <= limits.grantSecondsMax, 'what is revoked is known before a grant ends');
assert(own.retryMs * 2 ** own.doublingsMax <= own.takeMsMax, 'a pause is no longer than an attempt');
assert(own.triesMax <= own.doublingsMax, 'each pause is longer than the one before');
assert(own.takeMsMax < limits.grantSecondsMax * 1000, 'an attempt ends before a grant');
assert(own.killMs < own.takeMsMax, 'a command is killed sooner than evidence is fetched');
assert(2 * own.linesPerPublisherMax <= own.linesMax, 'one operator leaves room for another');
assert(own.linesMax <= own.entriesMax, 'a line has a run that was handled');
assert(own.entriesMax <= 10 * limits.openRequestsMax, 'these are a few times what may be open');
assert(own.textCharsMax <= limits.logLineBytesMax, 'a reason is a line');
