/** How every command ends, for scripts. */
export const exits = {
  done: 0,
  /** The answer is no: the build failed, the artifact is not trusted, operators disagree. */
  no: 1,
  /** Used wrongly: a wrong argument, a job file with a mistake, no project here. */
  usage: 2,
  /** This machine, the network or the other side cannot. */
  cannot: 3,
  /** Stopped by Ctrl-C before there was an answer (128 + SIGINT, as shells count). */
  interrupted: 130,
  /** Whoever read the output went away before there was an answer (128 + SIGPIPE): no answer is none of the above. */
  unread: 141,
} as const;
export type Exit = (typeof exits)[keyof typeof exits];

/** A code, or the beginning of codes, with the exit code it stands for. The longest that fits counts; else `cannot`. */
const table: readonly (readonly [prefix: string, exit: Exit])[] = [
  ['NOT_TRUSTED', exits.no],
  ['BUNDLE_UNREADABLE', exits.no],
  ['EXPORT_', exits.no],
  ['CLI_', exits.usage],
  ['CLI_TIMEOUT', exits.cannot],
  ['CLI_INTERRUPTED', exits.interrupted],
  ['CLI_OUTPUT_LOST', exits.cannot],
  ['JOBFILE_', exits.usage],
  ['JOB_UNKNOWN', exits.usage],
  ['JOB_AMBIGUOUS', exits.usage],
  ['LOGS_WORKER_UNKNOWN', exits.usage],
  ['CANCEL_', exits.usage],
  ['RUN_OVER', exits.usage],
  ['TICKET_', exits.usage],
  ['WORKER_FILE_', exits.usage],
  ['WORKER_AMBIGUOUS', exits.usage],
  ['LIMITS_', exits.usage],
  ['LIMITS_NOT_ENFORCEABLE', exits.cannot],
  ['SANDBOX_CONSENT_NEEDED', exits.usage],
  ['PROJECT_', exits.usage],
  ['CHARTER_NEEDS_ROOT', exits.usage],
  ['MEMBERSHIP_', exits.usage],
  ['INVITE_', exits.usage],
  ['SERVICE_NEEDS_ROOT', exits.usage],
  ['KEY_INVALID', exits.usage],
  ['IMAGE_', exits.usage],
  ['IMAGE_TOOL_', exits.cannot],
  ['IMAGE_FILE_DAMAGED', exits.cannot],
  ['SOURCE_URL_', exits.usage],
  ['SOURCE_PROTOCOL_', exits.usage],
  ['SOURCE_HOST_NOT_ALLOWED', exits.usage],
  ['SOURCE_REF_', exits.usage],
  ['SOURCE_NO_', exits.usage],
  ['SOURCE_TREE_REFUSED', exits.usage],
  ['SOURCE_TOO_LARGE', exits.usage],
  ['MESH_ADDRESS_INVALID', exits.usage],
];

export function exitOf(code: string): Exit {
  const fitting = table.filter(([prefix]) => code.startsWith(prefix));
  const longest = fitting.reduce((a, b) => (b[0].length > a[0].length ? b : a), ['', exits.cannot] as const);
  return longest[1];
}
