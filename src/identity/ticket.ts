import { QuorateError } from '../core/errors.ts';
import { identityLimits } from './limits.ts';

const prefix = 'quorate1.';
const compactJws = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$/;
const askAgain = {
  hint: `A ticket is one long line that starts with "${prefix}"; copy it whole, or ask the project owner for a new one.`,
};

/** An invite as one line of text. Its holder can enrol as the operator, so it must be kept secret. */
export function encodeTicket(inviteJws: string): string {
  return prefix + inviteJws;
}

/**
 * Extracts the invite (a compact JWS, not verified) from a pasted ticket. White space, quotes, backticks and angle brackets, which
 * chat programs add, are removed. @throws TICKET_MALFORMED, TICKET_UNKNOWN_VERSION
 */
export function decodeTicket(text: string): string {
  if (text.length > identityLimits.ticketCharsMax) {
    throw new QuorateError(
      'TICKET_MALFORMED',
      `the text of ${text.length} characters is not a ticket`,
      askAgain,
    );
  }
  const bare = text.replace(/[\s\u200b\ufeff"'`<>‘’“”]+/gu, '').replace(/^quoratejoin/, '');
  const version = /^quorate(\d+)\./.exec(bare);
  if (version !== null && version[0] !== prefix) {
    throw new QuorateError(
      'TICKET_UNKNOWN_VERSION',
      `the ticket has version ${version[1]}; version 1 is supported`,
      {
        hint: 'Update quorate.',
      },
    );
  }
  const jws = bare.slice(prefix.length);
  if (!bare.startsWith(prefix) || !compactJws.test(jws)) {
    throw new QuorateError('TICKET_MALFORMED', 'the text is not a complete ticket', askAgain);
  }
  return jws;
}
