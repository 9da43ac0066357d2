import { hash } from 'node:crypto';
import { equals } from 'multiformats/bytes';
import type { CID } from 'multiformats/cid';
import { CarParser, carHeader } from '../protocol/base/car.ts';
import { type ErrorCode, QuorateError } from '../protocol/base/errors.ts';
import { type Step, Walk } from './dag-walk.ts';

export interface VerifiedBlock extends Step {
  bytes: Uint8Array;
  links: readonly CID[];
}

const hint = 'The sender is faulty or malicious; use another one.';

/** TRANSFER_HASH_MISMATCH: bytes that do not have the hash of their block. */
export class ChangedBlock extends QuorateError {
  readonly block: CID;

  constructor(block: CID) {
    super('TRANSFER_HASH_MISMATCH', `the bytes sent for ${block} do not have its hash`, { hint });
    this.block = block;
  }
}

export const invalid = (code: ErrorCode, message: string): QuorateError =>
  new QuorateError(code, message, { hint });

/**
 * Decodes the CAR of some trees. Each block must be the next one of the depth-first walk over the verified blocks before it, and have its
 * hash.
 */
export class CarDecoder {
  readonly #walk: Walk;
  readonly #parser: CarParser;
  readonly #links: (cid: CID, bytes: Uint8Array) => readonly CID[];

  /** @param links gives the links of a block; throws for a block that cannot be part of a tree */
  constructor(roots: readonly Step[], links: (cid: CID, bytes: Uint8Array) => readonly CID[]) {
    this.#walk = new Walk(roots);
    this.#parser = new CarParser(carHeader(roots.map(({ cid }) => cid.bytes)));
    this.#links = links;
  }

  /** Adds bytes. Call `next` until it returns undefined before the next `push`. */
  push(piece: Uint8Array): void {
    this.#parser.push(piece);
  }

  /**
   * The next complete block; undefined when more bytes are needed. Its bytes may share memory with a pushed chunk.
   * @throws CAR_MALFORMED, TRANSFER_WRONG_BLOCK, TRANSFER_HASH_MISMATCH, TRANSFER_EXCESS_DATA, STORE_TREE_TOO_DEEP,
   * STORE_TREE_TOO_MANY_BLOCKS, and the errors of `links`
   */
  next(): VerifiedBlock | undefined {
    const section = this.#parser.next();
    if (section === undefined) return undefined;
    const step = this.#walk.next();
    if (step === undefined) throw invalid('TRANSFER_EXCESS_DATA', 'blocks came after the last one requested');
    const { cid, depth } = step;
    const fault = !equals(section.cid, cid.bytes)
      ? invalid('TRANSFER_WRONG_BLOCK', `another block came instead of ${cid}`)
      : equals(hash('sha256', section.bytes, 'buffer'), cid.multihash.digest)
        ? undefined
        : new ChangedBlock(cid);
    if (fault !== undefined) {
      this.#walk.back(step);
      throw fault;
    }
    const links = this.#links(cid, section.bytes);
    this.#walk.enter(step, links);
    return { cid, depth, bytes: section.bytes, links };
  }

  /** Ends the archive. @throws CAR_MALFORMED within a header or a block */
  end(): void {
    this.#parser.end();
  }

  /** Requested blocks that have not arrived, in reverse order. */
  rest(): Step[] {
    return this.#walk.rest();
  }
}
