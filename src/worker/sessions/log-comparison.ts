import { QuorateError } from '../../protocol/base/errors.ts';
import type { EquivocationEvidence } from '../../protocol/documents/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import type { KnownEquivocation } from '../../protocol/sessions/revocation-book.ts';
import { MerkleTree } from '../../protocol/transparency/index.ts';
import { workerSessionLimits } from './limits.ts';

export const witnessHint =
  'Tell the owner of the project. Until this is explained, nothing of this log is witnessed that does not go on from what it said before.';

export const equivocated = ({ proves }: KnownEquivocation) =>
  new QuorateError('LOG_EQUIVOCATED', proves.says);

export function inconsistent(sizes: string, says: string): QuorateError {
  return new QuorateError(
    'LOG_INCONSISTENT',
    `the controller signed logs of ${sizes}, and does not show that one goes on from the other: it ${says}`,
    { hint: witnessHint },
  );
}

interface LeavesUnder {
  note: string;
  size: number;
  root: string;
  leaves: readonly string[];
}

/**
 * Evidence from two logs of one key whose leaves are both at hand: the first index at which they differ. Undefined where the
 * leaves are not those under the checkpoints, or one log begins with the other.
 */
export function evidenceOfLeaves(
  charter: string,
  first: LeavesUnder,
  second: LeavesUnder,
): EquivocationEvidence | undefined {
  const [one, two] = [new MerkleTree(first.leaves), new MerkleTree(second.leaves)];
  const isUnder = (tree: MerkleTree, { size, root }: LeavesUnder) =>
    tree.size === size && tree.root() === root;
  if (!isUnder(one, first) || !isUnder(two, second)) return undefined;
  const least = Math.min(first.size, second.size);
  for (let index = 0; index < least; index++) {
    const [a = '', b = ''] = [first.leaves[index], second.leaves[index]];
    if (a === b) continue;
    return {
      v: 1,
      kind: 'leaves',
      charter,
      index,
      entries: [
        { checkpoint: first.note, leaf: a, path: one.inclusion(index) },
        { checkpoint: second.note, leaf: b, path: two.inclusion(index) },
      ],
    };
  }
  return undefined;
}

interface OpenComparison {
  /** Monotonic time of the first checkpoint of that member that could not be compared, since one could. */
  since: number;
  tries: number;
}

/**
 * Members whose checkpoints could not be compared with those seen here, since the controller gave no proof: it may be down. One
 * that talks to this worker all the while, and only never answers that, may have told the member something else.
 */
export class Uncompared {
  readonly #open = new Map<string, OpenComparison>();
  /** Monotonic time when the controller last sent a checkpoint. */
  #heardAt = Number.NEGATIVE_INFINITY;

  heard(now: number): void {
    this.#heardAt = now;
  }

  compared(member: string): void {
    this.#open.delete(member);
  }

  /** Whether this has gone on for too long. */
  failed(member: string, now: number): boolean {
    const { since, tries } = this.#open.get(member) ?? { since: now, tries: 0 };
    const [oldest] = this.#open.keys();
    if (this.#open.size >= workerSessionLimits.uncomparedMax && oldest !== undefined)
      this.#open.delete(oldest);
    this.#open.set(member, { since, tries: tries + 1 });
    return (
      tries + 1 >= sessionTimes.uncomparedTriesMin &&
      now - since > sessionTimes.uncomparedMs &&
      this.#heardAt > since + sessionTimes.uncomparedMs
    );
  }
}
