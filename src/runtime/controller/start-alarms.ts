import { tellAlarm } from '../../core/account/index.ts';
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
  for (const { proves } of equivocations) tellAlarm(tell, 'equivocated', proves.says);
  for (const key of fullKeys(state)) tellAlarm(tell, 'key-full', sayFullKey(key), { key });
  const lapsed = lapsedOf(state);
  if (lapsed.length > 0)
    tellAlarm(tell, 'revocations-lapsed', `${sayLapsed(lapsed)}. Sign again what should: quorate revoke`, {
      revocations: lapsed,
    });
}
