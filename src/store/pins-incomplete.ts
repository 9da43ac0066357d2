import { QuorateError } from '../core/errors.ts';
import { counted } from '../core/quantity.ts';

const namedMax = 5;

/** Pinned trees of which blocks are missing or damaged. */
export class PinsIncomplete extends QuorateError {
  readonly roots: readonly string[];

  constructor(roots: readonly string[]) {
    const named = roots.slice(0, namedMax).join(', ');
    const more = roots.length > namedMax ? ' and more' : '';
    super(
      'STORE_PINS_INCOMPLETE',
      `${counted(roots.length, 'pinned tree')} ${roots.length === 1 ? 'has' : 'have'} missing or damaged blocks: ${named}${more}`,
      {
        hint: 'Nothing is removed from the store until they are whole. They are fetched from peers that have them; look at the disk. A tree that nobody has any more can be given up: stop this node, quorate store forget <cid>.',
      },
    );
    this.roots = roots;
  }
}
