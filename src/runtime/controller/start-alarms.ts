import { fullKeys } from '../../core/controller/revocations.ts';
import type { ControllerState } from '../../core/controller/state.ts';
import type { KnownEquivocation } from '../../core/sessions/revocation-book.ts';
import { sayFullKey, sayLapsed } from '../../core/trust/index.ts';
import type { Tell } from '../node/node-events.ts';
import { lapsedOf } from './status.ts';

/** Alarms that are told again at each start, while they last. */
export function tellAtStart(
  state: ControllerState,
  equivocations: readonly KnownEquivocation[],
  tell: Tell,
): void {
  for (const { proves } of equivocations) tell('warn', 'equivocated', proves.says);
  for (const key of fullKeys(state)) tell('warn', 'key-full', `ALARM: ${sayFullKey(key)}`, { key });
  const lapsed = lapsedOf(state);
  if (lapsed.length > 0)
    tell('warn', 'revocations-lapsed', `${sayLapsed(lapsed)}. Sign again what should: quorate revoke`, {
      revocations: lapsed,
    });
}
