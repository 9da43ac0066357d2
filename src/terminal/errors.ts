import { CommanderError } from 'commander';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { escapeLine, jsonLine } from '../protocol/base/escape.ts';
import { laid } from './layout.ts';

export type { CliErrorCode } from './error-codes.ts';

const notAllowed = 'Mend its permissions, run it as a user who may, or name another folder.';
/** Hints for errors of the system, by their code. */
const remedies: Record<string, string> = {
  EACCES: notAllowed,
  EPERM: notAllowed,
  EROFS: notAllowed,
  ENOSPC: 'Make room on that disk; $TMPDIR names another place for temporary files.',
  EDQUOT: 'Make room in your quota; $TMPDIR names another place for temporary files.',
  ENOTDIR: 'A part of that path is a file: name another folder.',
  EMFILE: 'Allow more open files: ulimit -n',
};

const sqliteFull = 13;

/** Converts any failure: of commander to `CLI_USAGE`, of the system to `CLI_SYSTEM_ERROR`, other to `CLI_INTERNAL_ERROR`. */
export function asQuorateError(error: unknown): QuorateError {
  if (error instanceof QuorateError) return error;
  if (error instanceof CommanderError) return usageError(error);
  if (error instanceof Error && 'syscall' in error && 'code' in error) {
    return new QuorateError('CLI_SYSTEM_ERROR', error.message, {
      hint: remedies[String(error.code)],
      cause: error,
    });
  }
  const message = messageOf(error);
  // The reason of an aborted signal.
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError'))
    return new QuorateError('TIMED_OUT', 'the command took longer than it may', {
      hint: 'Try again: another host may have been too busy to answer.',
      cause: error,
    });
  // node:sqlite has no `syscall`.
  if (error instanceof Error && 'errcode' in error && error.errcode === sqliteFull)
    return new QuorateError('CLI_SYSTEM_ERROR', message, { hint: remedies.ENOSPC ?? '', cause: error });
  return new QuorateError('CLI_INTERNAL_ERROR', message, {
    hint: 'This is a mistake in Quorate. Run it again with QUORATE_DEBUG=1 and report what it prints.',
    cause: error,
  });
}

/** Commander puts a suggestion in brackets on a second line: that is the hint. */
function usageError(error: CommanderError): QuorateError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = /\((.+)\)$/.exec(rest.join(' '))?.[1];
  return new QuorateError('CLI_USAGE', first, {
    hint: suggestion ?? 'Add --help for the arguments and options.',
    cause: error,
  });
}

/** Commander throws after help and version too, also after the help shown when the command is missing. */
export const isAnswered = (error: unknown): boolean =>
  error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help');

/** Whether these words ask for JSON, as far as one can say of words that may be wrong. */
export function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  const given = words.slice(0, end === -1 ? undefined : end);
  return (
    given.includes('--json') ||
    given.includes('--log-format=json') ||
    given[given.indexOf('--log-format') + 1] === 'json'
  );
}

/**
 * `error[CODE]: message` and a hint below it; control characters of all lines are escaped. `width`: of the terminal, where it is shown on one.
 */
export function errorText({ code, message, hint }: QuorateError, width = Number.POSITIVE_INFINITY): string {
  return [`error[${code}]: ${message}`, ...(hint === undefined ? [] : [`hint: ${hint}`])]
    .flatMap((text) => text.split('\n'))
    .flatMap((line) => laid(escapeLine(line), width))
    .map((line) => `${line}\n`)
    .join('');
}

export function errorJson({ code, message, hint }: QuorateError): string {
  return `${jsonLine({ error: { code, message, hint } })}\n`;
}
