import { hash } from 'node:crypto';
import type { CID } from 'multiformats/cid';
import { CarParser, carHeader } from '../core/car.ts';
import { QuorateError } from '../core/errors.ts';
import { type Step, Walk } from './dag-walk.ts';

export interface VerifiedBlock extends Step {
  bytes: Uint8Array;
  links: readonly CID[];
}

const liar = (code: string, message: string): QuorateError =>
  new QuorateError(code, message, { hint: 'The sender is faulty or lies; ask another one.' });

/**
 * Takes the CAR of some trees in pieces of any size and gives its blocks, each only if it is the very one that comes
 * next in the walk over verified blocks and has its hash.
 */
export class CarDecoder {
  readonly #walk: Walk;
  readonly #parser: CarParser;
  readonly #links: (cid: CID, bytes: Uint8Array) => readonly CID[];

  /** @param links of a block; may refuse one that no tree has */
  constructor(roots: readonly Step[], links: (cid: CID, bytes: Uint8Array) => readonly CID[]) {
    this.#walk = new Walk(roots);
    this.#parser = new CarParser(carHeader(roots.map(({ cid }) => cid.bytes)));
    this.#links = links;
  }

  /** Call `next` until it gives undefined before pushing more. */
  push(piece: Uint8Array): void {
    this.#parser.push(piece);
  }

  /**
   * The next block of what was pushed. Its bytes may share memory with that.
   * @throws CAR_MALFORMED, TRANSFER_UNLINKED, TRANSFER_WRONG_BYTES, TRANSFER_ENDLESS, and for a tree that is not ours
   * STORE_TREE_TOO_DEEP, STORE_TREE_TOO_MANY and what `links` throws
   */
  next(): VerifiedBlock | undefined {
    const section = this.#parser.next();
    if (section === undefined) return undefined;
    const step = this.#walk.next();
    if (step === undefined)
      throw liar('TRANSFER_ENDLESS', 'blocks came after the last of what was asked for');
    const { cid, depth } = step;
    try {
      if (Buffer.compare(section.cid, cid.bytes) !== 0) {
        throw liar('TRANSFER_UNLINKED', `another block came where ${cid} was due`);
      }
      if (Buffer.compare(hash('sha256', section.bytes, 'buffer'), cid.multihash.digest) !== 0) {
        throw liar('TRANSFER_WRONG_BYTES', `the bytes sent for ${cid} are not its bytes`);
      }
    } catch (error) {
      this.#walk.back(step);
      throw error;
    }
    const links = this.#links(cid, section.bytes);
    this.#walk.enter(step, links);
    return { cid, depth, bytes: section.bytes, links };
  }

  /** The archive has ended. @throws CAR_MALFORMED when in the middle of something */
  end(): void {
    this.#parser.end();
  }

  /** What was asked for and has not come, the next last. */
  rest(): Step[] {
    return this.#walk.rest();
  }
}
