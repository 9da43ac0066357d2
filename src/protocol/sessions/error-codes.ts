/** Error codes of sessions: what each means and what to do. */
const sessionErrors = {
  CONTROLLER_ASKING:
    'The controller has just started, and asks the members of the project what its log was before it signs anything. It goes on once a trusted worker has answered, or enough operators have: `quorate controller status` tells for whom it waits. Try again then.',
  LOG_BEHIND_CHECKPOINT:
    "The controller's journal gives another log than the one whose checkpoint it signed last, and its members are not asked (`--alone`), or there are none. It does not start, since its log would tell two stories. Start it without `--alone`, or put back the journal that belongs to `.quorate/checkpoint.txt`. Where it is another log altogether, name another controller key (`quorate rotate controller`), and the project goes on under a new log. Each trusted worker then refuses it until its owner removes `log-PROJECT.txt` from its home folder.",
  LOG_BEHIND_MEMBER:
    'A member holds a checkpoint of a longer log under the key of this controller: its journal is an older copy. It signs nothing more. Start it again while that member and a trusted worker are connected: it takes the leaves that it lacks from them.',
  LOG_CONTRADICTED:
    'A checkpoint under the key of this controller does not fit its journal: another log was signed with that key, and this one must not be signed with it too. `quorate rotate controller` gives it another key, under which it goes on.',
  WATCH_PIPELINE_CHANGED:
    'The pipeline is not the newest of its branch, tag or pull request any more, or the rules of the watcher would not publish its commit now. Push, or approve, what is to be built.',
  WATCH_PIPELINE_OPEN:
    'A pipeline of the same branch, tag or pull request is not over yet, or as many are open as there may be. Wait, or cancel it: `quorate cancel --pipeline`.',
  WATCH_PIPELINE_UNKNOWN: 'The watcher knows no such pipeline, or not any more. Load the page again.',
  WATCH_COMMIT_MISMATCH:
    'The pull request has another commit by now than the one that was named. An approval is of one commit: look at the new one, then approve that.',
  WATCH_PULL_UNKNOWN: 'No open pull request of that number is known. `quorate watch approvals` lists them.',
  WEBHOOK_REPLAYED:
    'A webhook came a second time, or long after it was made. Nothing came of it; changes are seen by polling too.',
} as const;

export type SessionErrorCode = keyof typeof sessionErrors;

declare module '../base/errors.ts' {
  interface ErrorCodes extends Record<SessionErrorCode, string> {}
}
