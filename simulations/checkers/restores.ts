import { isMember } from '../../src/controller/machine/members/revocations.ts';
import type { MerkleTree } from '../../src/protocol/transparency/index.ts';
import { type Observation, type Observe, Violation } from '../observer.ts';

type Seen<Kind> = Extract<Observation, { kind: Kind }>;
type Line = Pick<Seen<'witnessed'>, 'log' | 'size' | 'root'>;

/** A controller that starts from a copy signs once a trusted worker has answered, or as many operators as have to agree. */
function checkAsked({ state, answers }: Seen<'restored'>): string | undefined {
  const { charter, keys } = state;
  const answered = new Set(answers.map(({ worker }) => worker));
  if (charter?.payload.trusted.some((key) => answered.has(key))) return undefined;
  const operatorsOf = (of: Iterable<string>) => {
    const found = [...of].map((key) => keys.get(key));
    return new Set(
      found.flatMap((one) => (isMember(state, one) && one.role === 'worker' ? [one.operator] : [])),
    );
  };
  const needed = Math.min(charter?.payload.floor.agree ?? 1, operatorsOf(keys.keys()).size);
  if (operatorsOf(answered).size >= Math.max(1, needed)) return undefined;
  return 'the controller signs, and too few members were asked what its log was';
}

/**
 * A restore asks before it signs. A trusted worker signs one story of each log and keeps its leaves. A log that goes on brings no
 * evidence of two stories, and stands still only where nobody who is up has what the copy lacks.
 */
export function restores(): Observe {
  /** The log of this life, and those of lives that a restore ended. */
  const trees = new Set<MerkleTree>();
  /** By trusted worker. */
  const lines = new Map<string, Line[]>();
  let isRestored = false;
  let isVoid = false;

  function checkLine(line: Line, worker: string): void {
    const before = lines.get(worker) ?? [];
    for (const other of before) {
      const has = (tree: MerkleTree, { size, root }: Line) => size <= tree.size && tree.root(size) === root;
      if (other.log === line.log && ![...trees].some((tree) => has(tree, line) && has(tree, other)))
        throw new Violation(
          `a trusted worker signed ${line.size} leaves that do not go with the ${other.size} that it signed before`,
        );
    }
    lines.set(worker, [...before, line]);
  }

  return (seen, truth) => {
    if (seen.kind === 'handled' || (seen.kind === 'restarted' && seen.state !== undefined)) {
      const { log } = seen.state ?? {};
      if (log !== undefined) trees.add(log);
    }
    if (seen.kind === 'replaced') isRestored = true;
    if (seen.kind === 'restored') {
      const wrong = checkAsked(seen);
      if (wrong !== undefined) throw new Violation(wrong);
    }
    isVoid ||= seen.kind === 'equivocated';
    if (seen.kind === 'equivocated' && isRestored && !truth.isShort)
      throw new Violation(`the log goes on as it was, and there is evidence of two: ${seen.proves.says}`);
    if (seen.kind === 'stands-still' && !seen.isExcused)
      throw new Violation(`the project stands still: ${seen.why}`);
    if (seen.kind !== 'witnessed' || truth.personOf(seen.worker) !== 'owner') return;
    // Of a log that is void it signs what it saw before, as evidence.
    if (!isVoid && truth.keptBy(seen.worker) < seen.size)
      throw new Violation(
        `a trusted worker signs ${seen.size} leaves, and keeps ${truth.keptBy(seen.worker)} of them`,
      );
    checkLine(seen, seen.worker);
  };
}
