import { QuorateError } from '../protocol/base/errors.ts';
import { fromBase64Url, toBase64Url } from '../protocol/documents/index.ts';
import { identityLimits } from './limits.ts';

const prefix = 'quorate1.';
/** A compact JWS, and after it the seed of the ticket's key, of 32 bytes. */
const pattern = /^([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86})(?:\.([A-Za-z0-9_-]{43}))?$/;
const askAgain = {
  hint: `A ticket is one long line that starts with "${prefix}"; copy it whole, or ask the project owner for a new one.`,
};

export interface Ticket {
  /** Compact JWS, not verified. */
  invite: string;
  /** Of the key that the invite names as its holder, 32 bytes; absent where it names none. */
  seed?: Uint8Array;
}

/** A ticket as one line of text. Whoever has it can enrol as the operator, so it must be kept secret. */
export function encodeTicket({ invite, seed }: Ticket): string {
  return `${prefix}${invite}${seed === undefined ? '' : `.${toBase64Url(seed)}`}`;
}

/** Reads a pasted ticket without the white space and quotes of chat programs. @throws TICKET_MALFORMED, TICKET_UNKNOWN_VERSION */
export function decodeTicket(text: string): Ticket {
  if (text.length > identityLimits.ticketCharsMax)
    throw new QuorateError(
      'TICKET_MALFORMED',
      `the text of ${text.length} characters is not a ticket`,
      askAgain,
    );
  const bare = text.replace(/[\s\u200b\ufeff"'`<>‘’“”]+/gu, '').replace(/^quoratejoin/, '');
  const version = /^quorate(\d+)\./.exec(bare);
  if (version !== null && version[0] !== prefix)
    throw new QuorateError(
      'TICKET_UNKNOWN_VERSION',
      `the ticket has version ${version[1]}; version 1 is supported`,
      {
        hint: 'Update quorate.',
      },
    );
  const [, invite, seed] = pattern.exec(bare.slice(prefix.length)) ?? [];
  if (!bare.startsWith(prefix) || invite === undefined)
    throw new QuorateError('TICKET_MALFORMED', 'the text is not a complete ticket', askAgain);
  if (seed === undefined) return { invite };
  try {
    return { invite, seed: fromBase64Url(seed, 'the key of the ticket') };
  } catch (cause) {
    throw new QuorateError('TICKET_MALFORMED', 'the end of the ticket is not a key', { ...askAgain, cause });
  }
}
