import { QuorateError } from '../core/errors.ts';
import { identityLimits } from './limits.ts';

const prefix = 'quorate1.';
const compactJws = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$/;
const askAgain = {
  hint: `A ticket is one long line that starts with "${prefix}"; copy it whole, or ask the project owner for a new one.`,
};

/** An invite as text to paste into a chat. It is as good as the operator's name: send it to nobody else. */
export function encodeTicket(inviteJws: string): string {
  return prefix + inviteJws;
}

/**
 * The invite (compact JWS, not yet verified) inside a pasted ticket. Chat programs wrap lines, add quotes, code ticks and
 * angle brackets: those are dropped, as no ticket holds any. Throws `TICKET_MALFORMED`, `TICKET_UNKNOWN_VERSION`.
 */
export function decodeTicket(text: string): string {
  if (text.length > identityLimits.ticketCharsMax) {
    throw new QuorateError('TICKET_MALFORMED', `a ticket of ${text.length} characters is none`, askAgain);
  }
  const bare = text.replace(/[\s\u200b\ufeff"'`<>‘’“”]+/gu, '').replace(/^quoratejoin/, '');
  const version = /^quorate(\d+)\./.exec(bare);
  if (version !== null && version[0] !== prefix) {
    throw new QuorateError('TICKET_UNKNOWN_VERSION', `a ticket of version ${version[1]}; this is version 1`, {
      hint: 'Update quorate.',
    });
  }
  const jws = bare.slice(prefix.length);
  if (!bare.startsWith(prefix) || !compactJws.test(jws)) {
    throw new QuorateError('TICKET_MALFORMED', 'this is not a whole ticket', askAgain);
  }
  return jws;
}
