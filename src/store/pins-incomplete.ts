import { QuorateError } from '../protocol/base/errors.ts';
import { counted } from '../protocol/base/quantity.ts';

const namedMax = 5;

/** Pinned trees of which blocks are missing or damaged. */
export class PinsIncomplete extends QuorateError {
  readonly roots: readonly string[];
  /** Roots whose own block is missing, as after a restore without artifacts; of the others a block is damaged or lost. */
  readonly absent: ReadonlySet<string>;

  constructor(roots: readonly string[], absent: ReadonlySet<string> = new Set()) {
    const named = roots.slice(0, namedMax).join(', ');
    const more = roots.length > namedMax ? ' and more' : '';
    super(
      'STORE_PINS_INCOMPLETE',
      roots.every((root) => absent.has(root))
        ? `${counted(roots.length, 'pinned tree')} ${roots.length === 1 ? 'is' : 'are'} not here, as after a restore without artifacts: ${named}${more}`
        : `${counted(roots.length, 'pinned tree')} ${roots.length === 1 ? 'has' : 'have'} missing or damaged blocks: ${named}${more}`,
      {
        hint: 'Nothing is removed from the store until they are whole. They are fetched from peers that have them; look at the disk. A tree that nobody has any more can be given up: stop this node, quorate store forget <cid>.',
      },
    );
    this.roots = roots;
    this.absent = absent;
  }
}
