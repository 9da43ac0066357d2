import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { toUtf8 } from '../src/protocol/base/text.ts';
import {
  DocumentMemory,
  encodeCanonical,
  fromBase64Url,
  peerIdOf,
  type Signer,
  toBase64Url,
  type Verifier,
} from '../src/protocol/documents/index.ts';

/** Characters of signed, and of opened, texts that are remembered: few, so that some are forgotten. */
const rememberedCharsMax = 64 * 1024;

/** Keys and signatures of a simulation: the fast stand-in below, or real Ed25519 handed in by a test. */
export interface Keys {
  /** The same name always gives the same key. */
  signer(name: string): Signer;
  verifier: Verifier;
}

/** 64 bytes like Ed25519's. Anybody could make one: attackers in a simulation sign with the signers they are given. */
function stamp(id: string, message: Uint8Array): Uint8Array {
  const half = sha256(concatBytes(toUtf8(`${id} signs `), message));
  return concatBytes(half, sha256(half));
}

const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** Signatures that are keyed hashes: as strict about what was signed as Ed25519, a hundred times as fast. */
export const standIn: Keys = {
  signer(name) {
    const id = peerIdOf(sha256(toUtf8(`key of ${name}`)));
    return {
      id,
      async jws(header, payload) {
        const text = `${toBase64Url(encodeCanonical(header))}.${toBase64Url(payload)}`;
        return `${text}.${toBase64Url(stamp(id, toUtf8(text)))}`;
      },
      raw: async (message) => stamp(id, message),
    };
  },
  verifier: {
    async jws(compact, signer) {
      const end = compact.lastIndexOf('.');
      const signature = fromBase64Url(compact.slice(end + 1), 'signature');
      return same(signature, stamp(signer, toUtf8(compact.slice(0, end))));
    },
    raw: async (message, signature, signer) => same(signature, stamp(signer, message)),
  },
};

/** One event-loop turn: all promises that wait for nothing outside have come to rest after it. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * The same keys, one operation after the other in the order of calls; documents are remembered as in production.
 * `settle` resolves when no operation and no promise that followed from one is left.
 */
export function inTurn(keys: Keys): { keys: Keys; settle: () => Promise<void> } {
  let pending = 0;
  let last: Promise<unknown> = Promise.resolve();
  const queue = <T>(work: () => Promise<T>): Promise<T> => {
    pending++;
    const result = last.then(work);
    last = result.then(
      () => pending--,
      () => pending--,
    );
    return result;
  };
  return {
    keys: {
      signer(name) {
        const signer = keys.signer(name);
        return {
          id: signer.id,
          jws: (header, payload) => queue(() => signer.jws(header, payload)),
          raw: (message) => queue(() => signer.raw(message)),
          signed: new DocumentMemory(rememberedCharsMax),
        };
      },
      verifier: {
        jws: (compact, signer) => queue(() => keys.verifier.jws(compact, signer)),
        raw: (message, signature, signer) => queue(() => keys.verifier.raw(message, signature, signer)),
        opened: new DocumentMemory(rememberedCharsMax),
        bundles: new DocumentMemory(8 * rememberedCharsMax),
      },
    },
    async settle() {
      do await turn();
      while (pending > 0);
    },
  };
}
