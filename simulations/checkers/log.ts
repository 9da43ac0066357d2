import { verifyConsistency } from '../../src/core/transparency/index.ts';
import { type Checker, Violation } from '../observer.ts';

/** The log only grows: each state of it begins with every state there was before, and with what was signed of it. */
export function log(): Checker {
  const invariant = 'log';
  let last = { size: 0, root: '' };
  return {
    invariant,
    observe(seen) {
      if (seen.kind === 'not-started') throw new Violation(invariant, `${seen.code}: ${seen.says}`);
      if (seen.kind !== 'handled' && seen.kind !== 'restarted') return;
      const tree = seen.state?.log;
      if (tree === undefined || (seen.kind === 'handled' && tree.size === last.size)) return;
      const { size } = last;
      if (tree.size < size) throw new Violation(invariant, `the log had ${size} leaves and has ${tree.size}`);
      const proof = {
        from: size,
        fromRoot: last.root,
        to: tree.size,
        toRoot: tree.root(),
        path: tree.consistency(size),
      };
      if (size > 0 && !verifyConsistency(proof))
        throw new Violation(invariant, `the first ${size} leaves of the log are not what they were`);
      last = { size: tree.size, root: proof.toRoot };
    },
  };
}
