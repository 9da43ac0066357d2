import type { Tell } from '../../node/node-events.ts';
import { tellAlarm } from '../../protocol/account/index.ts';
import type { KnownEquivocation } from '../../protocol/sessions/revocation-book.ts';
import { sayFullKey, sayLapsed } from '../../protocol/trust/index.ts';
import { fullKeys } from '../machine/members/revocations.ts';
import type { ControllerState } from '../machine/state.ts';
import type { LostBundles } from '../sessions/lost-bundles.ts';
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

/** Bundles that the journal says were stored and that are not there. */
export function tellLost({ runs, unspooled }: LostBundles, tell: Tell): void {
  const missing = runs.length + unspooled;
  if (missing === 0) return;
  const later =
    unspooled === 0 ? '' : `, ${unspooled} of them at a later start: their documents need room on the disk`;
  tell('warn', 'bundle', `${missing} bundles are missing and made again one by one${later}`, {
    runs: missing,
  });
}
