import { parseCheckpoint, verifyConsistency } from '../../src/protocol/transparency/index.ts';
import { type Observation, type Observe, Violation } from '../observer.ts';

/** The log begins with each of its earlier states and all that was signed of it; after a restore, with what members showed. */
export function log(): Observe {
  const signed: Extract<Observation, { kind: 'signed' }>[] = [];
  let last = { size: 0, root: '' };
  let isCopy = false;

  /** The largest checkpoint under a log key that a member showed. */
  function newestOf({ answers }: Extract<Observation, { kind: 'restored' }>, key: string): typeof last {
    let newest = { size: 0, root: '' };
    for (const { note } of answers) {
      const { size, root } = note === null ? newest : parseCheckpoint(note);
      const isOwn = signed.some((one) => one.log === key && one.size === size && one.root === root);
      if (isOwn && size > newest.size) newest = { size, root };
    }
    return newest;
  }

  return (seen, truth) => {
    if (seen.kind === 'signed') signed.push(seen);
    if (seen.kind === 'not-started' && !truth.isShort) throw new Violation(`${seen.code}: ${seen.says}`);
    if (seen.kind === 'replaced') isCopy = true;
    if (seen.kind === 'restored') {
      isCopy = false;
      last = newestOf(seen, truth.controller);
    }
    if (isCopy || (seen.kind !== 'handled' && seen.kind !== 'restarted' && seen.kind !== 'restored')) return;
    const tree = seen.state?.log;
    if (tree === undefined || (seen.kind === 'handled' && tree.size === last.size)) return;
    const { size } = last;
    if (tree.size < size) throw new Violation(`the log had ${size} leaves and has ${tree.size}`);
    const proof = {
      from: size,
      fromRoot: last.root,
      to: tree.size,
      toRoot: tree.root(),
      path: tree.consistency(size),
    };
    if (size > 0 && !verifyConsistency(proof))
      throw new Violation(`the first ${size} leaves of the log are not what they were`);
    last = { size: tree.size, root: proof.toRoot };
  };
}
