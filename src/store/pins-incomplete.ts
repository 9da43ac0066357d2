import { QuorateError } from '../protocol/base/errors.ts';
import { counted } from '../protocol/base/quantity.ts';

const namedMax = 5;

/** Pinned trees of which blocks are missing or damaged. */
export class PinsIncomplete extends QuorateError {
  readonly roots: readonly string[];
  /** Roots whose own block is missing, as after a restore without artifacts; of the others a block is damaged or lost. */
  readonly absent: ReadonlySet<string>;

  constructor(roots: readonly string[], absent: ReadonlySet<string> = new Set()) {
    const named = `${roots.slice(0, namedMax).join(', ')}${roots.length > namedMax ? ' and more' : ''}`;
    const isOne = roots.length === 1;
    const says = roots.every((root) => absent.has(root))
      ? `${isOne ? 'is' : 'are'} not here, as after a restore without artifacts`
      : `${isOne ? 'has' : 'have'} missing or damaged blocks`;
    super('STORE_PINS_INCOMPLETE', `${counted(roots.length, 'pinned tree')} ${says}: ${named}`, {
      hint: 'Nothing is removed from the store until they are whole. They are fetched from peers that have them; look at the disk. A tree that nobody has any more can be given up: stop this node, quorate store forget <cid>.',
    });
    this.roots = roots;
    this.absent = absent;
  }
}
