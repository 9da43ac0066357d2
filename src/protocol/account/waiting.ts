import { counted } from '../base/quantity.ts';
import { isoTime } from '../base/time.ts';
import { passReason } from '../wire/pass-reason.ts';
import type { OpenFacts } from './facts.ts';
import type { NextStep } from './states.ts';

/** Operators whose reasons are told; of more, how many. */
const toldMax = 3;

interface Waiting {
  says: string;
  next: NextStep[];
}

/**
 * Which operators a slot that nobody builds waits for, until when, and what helps. `agree`: operators that have to agree. With as many results
 * the round may be enough as it is.
 */
export function waitsForOperators(open: OpenFacts, agree?: number): Waiting {
  const { held, freeUntil, sealed } = open;
  if (held === true)
    return { says: 'for the next start of the controller, which is about to stop', next: [] };
  const { says, next } = whom(open);
  const mayDo = agree !== undefined && sealed >= agree && freeUntil !== undefined;
  return {
    says:
      freeUntil === undefined
        ? says
        : `${says}; until ${isoTime(freeUntil).slice(11, 19)} UTC, then the round ends`,
    next: mayDo ? [] : next,
  };
}

function whom({ connected, eligible, late, declined }: OpenFacts): Waiting {
  const connect = { says: 'have workers of more operators connected: those with a ticket run quorate join' };
  if (connected === 0) return { says: 'for an operator: none is connected', next: [connect] };
  if (eligible === 0) {
    const those = connected === 1 ? 'the one that is connected' : `the ${connected} that are connected`;
    const had =
      late === undefined
        ? 'joined after it was published or had a slot of it'
        : late === 0
          ? 'had a slot of it'
          : late === connected
            ? 'joined after it was published'
            : `had a slot of it, or joined after it was published (${late})`;
    const again = { says: 'publish it again, for all who are connected now' };
    return { says: `for another operator: ${those} ${had}`, next: late === 0 ? [connect] : [again, connect] };
  }
  if (declined.length >= eligible)
    return {
      says: `for an operator that takes it: ${reasons(declined)}`,
      next: [
        {
          says: 'ask them to resume or to lend more, or lower what the job asks for (limits in its job file)',
        },
        connect,
      ],
    };
  return { says: `for ${counted(eligible - declined.length, 'operator')} to answer the offer`, next: [] };
}

function reasons(declined: OpenFacts['declined']): string {
  const told = declined.slice(0, toldMax).map(({ operator, reason }) => `${operator}: ${passReason(reason)}`);
  const more = declined.length - told.length;
  return `${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
