export const exits = {
  done: 0,
  /** A negative answer: the build failed, the artifact is not trusted, operators disagree. */
  no: 1,
  /** Wrong use: an invalid argument, an invalid job file, no project here. */
  usage: 2,
  cannot: 3,
  /**
   * Yes, and there is something to look at: a contradiction on the way, a trusted worker's refusal to sign, or files that are the same only after
   * a normalisation.
   */
  lookAt: 4,
  /** Interrupted before there was an answer (128 + SIGINT). */
  interrupted: 130,
  /** The reader of the output closed it before there was an answer (128 + SIGPIPE). */
  unread: 141,
} as const;
export type Exit = (typeof exits)[keyof typeof exits];

/** Exit codes by error code or prefix of error codes. The longest match counts; without a match it is `cannot`. */
const table: readonly (readonly [prefix: string, exit: Exit])[] = [
  ['NOT_TRUSTED', exits.no],
  ['ARTIFACT_OF_TEST', exits.no],
  ['REPORTS_NOT_FOUND', exits.no],
  ['REPORTS_OF_BUILD', exits.usage],
  ['BUNDLE_UNREADABLE', exits.usage],
  ['EXPORT_', exits.no],
  ['BACKUP_', exits.usage],
  ['BACKUP_DAMAGED', exits.no],
  ['BACKUP_UNWRITABLE', exits.cannot],
  ['RESTORE_', exits.usage],
  ['CLI_', exits.usage],
  ['COMPARE_KINDS', exits.usage],
  ['COMPARE_PATH_UNKNOWN', exits.usage],
  ['DIFF_NO_DISPUTE', exits.usage],
  ['CLI_FILE_UNWRITABLE', exits.cannot],
  ['CLI_SYSTEM_ERROR', exits.cannot],
  ['CLI_INTERNAL_ERROR', exits.cannot],
  ['CLI_TIMEOUT', exits.cannot],
  ['CLI_INTERRUPTED', exits.interrupted],
  ['CLI_OUTPUT_LOST', exits.cannot],
  ['JOBFILE_', exits.usage],
  ['PIPELINE_', exits.usage],
  ['POLICY_BELOW_FLOOR', exits.usage],
  ['LOCK_', exits.usage],
  ['DEPENDENCIES_CONFLICT', exits.usage],
  ['DEPENDENCIES_DAMAGED', exits.no],
  ['DEPENDENCIES_UNSUPPORTED', exits.usage],
  ['DEPENDENCY_INDEX_MISMATCH', exits.no],
  ['DEPENDENCY_INDEX_MISSING', exits.usage],
  ['TRY_INPUT_MISSING', exits.usage],
  ['HOOK_', exits.usage],
  ['HOOK_NOTICE_FALSE', exits.no],
  ['HOOK_NOT_COSIGNED', exits.no],
  ['HOOK_OLDER', exits.no],
  ['JOB_UNKNOWN', exits.usage],
  ['JOB_AMBIGUOUS', exits.usage],
  ['LOGS_WORKER_UNKNOWN', exits.usage],
  ['CANCEL_', exits.usage],
  ['RUN_OVER', exits.usage],
  ['TICKET_', exits.usage],
  ['WORKER_FILE_', exits.usage],
  ['SIGN_IN_FILE_', exits.usage],
  ['WATCH_FILE_', exits.usage],
  ['LOGIN_URL_INVALID', exits.usage],
  ['LIMITS_', exits.usage],
  ['LIMITS_NOT_ENFORCEABLE', exits.cannot],
  ['SANDBOX_CONSENT_NEEDED', exits.usage],
  ['PROJECT_', exits.usage],
  ['CHARTER_NEEDS_ROOT', exits.usage],
  ['TRUSTED_KEY_NOT_APART', exits.usage],
  ['TRUSTED_KEY_NOT_NAMED', exits.usage],
  ['IDPS_FULL', exits.usage],
  ['IDP_ADDRESS_NEEDED', exits.usage],
  ['IDP_CHARTER_NEEDED', exits.usage],
  ['IDP_KEY_', exits.usage],
  ['REVOCATION_', exits.usage],
  ['REVOCATION_NO_ANSWER', exits.cannot],
  ['MEMBERSHIP_', exits.usage],
  ['INVITE_', exits.usage],
  ['SERVICE_NEEDS_ROOT', exits.usage],
  ['KEY_INVALID', exits.usage],
  ['IMAGE_', exits.usage],
  ['IMAGE_TOOL_', exits.cannot],
  ['IMAGE_PULL_', exits.cannot],
  ['RECIPE_', exits.usage],
  ['SOURCE_FILE_NOT_COMMITTED', exits.usage],
  ['SOURCE_URL_', exits.usage],
  ['SOURCE_PROTOCOL_', exits.usage],
  ['SOURCE_HOST_NOT_ALLOWED', exits.usage],
  ['SOURCE_REF_', exits.usage],
  ['SOURCE_NO_', exits.usage],
  ['SOURCE_OTHER_USER', exits.usage],
  ['SOURCE_TREE_REFUSED', exits.usage],
  ['SOURCE_TOO_LARGE', exits.usage],
  ['MESH_ADDRESS_INVALID', exits.usage],
];

export function exitOf(code: string): Exit {
  const fitting = table.filter(([prefix]) => code.startsWith(prefix));
  const longest = fitting.reduce((a, b) => (b[0].length > a[0].length ? b : a), ['', exits.cannot] as const);
  return longest[1];
}
