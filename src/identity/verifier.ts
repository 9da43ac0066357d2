import { createHash, type KeyObject, verify } from 'node:crypto';
import { dropOldest, Recent } from '../protocol/base/maps.ts';
import { DocumentMemory, type Verifier } from '../protocol/documents/index.ts';
import { holdsCompact } from './compact-jws.ts';
import { identityLimits } from './limits.ts';
import { importPeerId } from './pem.ts';
import { withoutSmallOrder } from './small-order.ts';

/** Size of the cache of imported keys, about 1 KB each: more than the peers of a node at a time. */
const keys = new Recent<KeyObject>(1024);
const keyOf = (peerId: string): KeyObject => keys.of(peerId, importPeerId);

/** Signatures that are remembered to be good, about 150 bytes each: those of some hundred bundles. */
const goodMax = 16_384;

/** Remembers good signatures: bundles of a job's inputs share charter, grants and receipts. Bad ones are verified each time. */
export function remembering(verifier: Verifier, max = goodMax): Verifier {
  const good = new Set<string>();
  const once = async (parts: readonly (string | Uint8Array)[], check: () => Promise<boolean>) => {
    const hash = createHash('sha256');
    for (const part of parts) {
      // With its size, so that nothing of one part can pass for another's.
      const bytes = typeof part === 'string' ? Buffer.from(part) : part;
      hash.update(`${bytes.length} `).update(bytes);
    }
    const name = hash.digest('base64');
    const known = good.delete(name) || (await check());
    if (!known) return false;
    good.add(name);
    dropOldest(good, max);
    return true;
  };
  return {
    jws: (compact, signer) => once(['jws', signer, compact], () => verifier.jws(compact, signer)),
    raw: (message, signature, signer) =>
      once(['raw', signer, signature, message], () => verifier.raw(message, signature, signer)),
  };
}

/** Remembers nothing. @throws KEY_INVALID for an invalid PeerId */
export const plainVerifier: Verifier = withoutSmallOrder({
  async jws(compact, signer) {
    return holdsCompact(compact, keyOf(signer));
  },
  async raw(message, signature, signer) {
    return verify(null, message, keyOf(signer), signature);
  },
});

/** The production verifier: Ed25519 of Node's crypto; remembers documents and signatures that held. @throws KEY_INVALID for an invalid PeerId */
export const joseVerifier: Verifier = {
  ...remembering(plainVerifier),
  opened: new DocumentMemory(identityLimits.openedCharsMax),
  bundles: new DocumentMemory(identityLimits.heldBundlesCharsMax),
};
