import { counted } from '../quantity.ts';
import type { OpenFacts } from './facts.ts';
import type { NextStep } from './states.ts';

/** Operators whose reasons are told; of more, how many. */
const toldMax = 3;

/** Which operators a slot that nobody builds waits for, and what helps. */
export function waitsForOperators({ held, connected, eligible, declined }: OpenFacts): {
  says: string;
  next: NextStep[];
} {
  const connect = { says: 'have workers of more operators connected: those with a ticket run quorate join' };
  if (held === true)
    return { says: 'for the next start of the controller, which is about to stop', next: [] };
  if (connected === 0) return { says: 'for an operator: none is connected', next: [connect] };
  if (eligible === 0)
    return {
      says: `for another operator: ${connected === 1 ? 'the one that is' : `the ${connected} that are`} connected joined after it was published or had a slot of it`,
      next: [connect, { says: 'or publish it again, for all who are connected now' }],
    };
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
  const told = declined.slice(0, toldMax).map(({ operator, reason }) => `${operator}: ${reason}`);
  const more = declined.length - told.length;
  return `${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
