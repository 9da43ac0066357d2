import type { RevocationTarget } from '../src/core/documents/index.ts';
import { codeOf } from '../src/core/errors.ts';
import type { Surroundings } from './process.ts';
import type { Expulsion } from './scenario.ts';

const retryMs = 3_000;

/** The owner asks, again and again until it is told that the revocation is in the log. */
export function revokeLater(
  { time, trace }: Pick<Surroundings, 'time' | 'trace'>,
  { operator, afterMs, ever }: Expulsion,
  revoke: (what: RevocationTarget, ever: boolean) => Promise<void>,
): void {
  const attempt = (): void => {
    revoke({ kind: 'operator', id: operator }, ever).then(
      () => trace.write(time.now, 'owner', `${operator} is revoked`),
      (error) => {
        trace.write(time.now, 'owner', `revoking ${operator}: ${codeOf(error)}`);
        time.after(retryMs, attempt);
      },
    );
  };
  time.at(time.now + afterMs, attempt);
}
