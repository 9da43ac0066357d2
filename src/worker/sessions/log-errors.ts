import { QuorateError } from '../../protocol/base/errors.ts';
import type { KnownEquivocation } from '../../protocol/sessions/revocation-book.ts';

export const hint =
  'Tell the owner of the project. Until this is explained, nothing of this log is witnessed that does not go on from what it said before.';

export const equivocated = ({ proves }: KnownEquivocation) =>
  new QuorateError('LOG_EQUIVOCATED', proves.says);

export function inconsistent(sizes: string, says: string): QuorateError {
  return new QuorateError(
    'LOG_INCONSISTENT',
    `the controller signed logs of ${sizes}, and does not show that one goes on from the other: it ${says}`,
    { hint },
  );
}
