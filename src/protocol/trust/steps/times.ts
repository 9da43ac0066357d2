import { limits } from '../../base/limits.ts';
import { secondsOfIso } from '../../base/time.ts';
import { checkGrant } from '../../judge/index.ts';
import type { Ask, Opened } from './context.ts';

type TimedParts = Pick<Opened, 'charter' | 'request' | 'publisher' | 'offers' | 'verdict'>;

/** When the controller says it decided, in seconds. */
export function decidedAt({ verdict }: Pick<Opened, 'verdict'>): number {
  return secondsOfIso(verdict.payload.predicate.timeVerified);
}

/** The verdict is later than its rounds; by the caller's clock, where given, not of the future, nor is the request over. */
export function checkTimes({ check, expected }: Ask, opened: TimedParts): void {
  const { request, offers } = opened;
  const skew = limits.clockSkewSeconds;
  const at = decidedAt(opened);
  const { timeVerified } = opened.verdict.payload.predicate;
  const rounds = offers.map(({ payload }) => payload.iat);
  const opens = rounds.length === 0 ? request.payload.iat : Math.max(...rounds);
  check(
    'VERDICT_NOT_IN_TIME',
    opens - skew <= at,
    `the verdict is of ${timeVerified}, before its ${rounds.length === 0 ? 'request' : 'last round'}`,
  );
  if (rounds.length === 0) checkAnswered(check, opened, at);
  if (expected.now === undefined) return;
  const now = Math.floor(expected.now / 1000);
  check(
    'VERDICT_FROM_FUTURE',
    at <= now + skew,
    `the verdict is of ${timeVerified}, ${at - now} s later than now on this clock`,
  );
  const { exp } = request.payload;
  check('REQUEST_OVER', now <= exp + skew, `the request ended ${now - exp} s ago on this clock`);
}

/** Without a round the verdict is the first that was done for the request: while that lasted, and the publisher's grant. */
function checkAnswered(
  check: Ask['check'],
  { charter, request, publisher, verdict }: TimedParts,
  at: number,
): void {
  const { exp } = request.payload;
  const { timeVerified } = verdict.payload.predicate;
  check(
    'VERDICT_NOT_IN_TIME',
    at <= exp + limits.clockSkewSeconds,
    `the verdict is of ${timeVerified}, ${at - exp} s after the end of its request`,
  );
  checkGrant(check, publisher, charter.payload, { by: request.signer, as: 'publisher', at });
}

/** Trusted workers that signed a checkpoint have seen the verdict in it: by their clocks (`signed`), not before the verdict was made. */
export function checkWitnessTime({ check }: Ask, opened: Opened, signed: number): void {
  const late = signed + limits.clockSkewSeconds;
  const { timeVerified } = opened.verdict.payload.predicate;
  check(
    'VERDICT_NOT_IN_TIME',
    decidedAt(opened) <= late,
    `the verdict is of ${timeVerified}, later than its trusted worker signed it`,
  );
}
