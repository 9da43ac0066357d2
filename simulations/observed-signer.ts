import { fromUtf8 } from '../src/protocol/base/text.ts';
import type { Signer } from '../src/protocol/documents/index.ts';

/** A signer that tells of each checkpoint which it signs, for a log of its own or as a witness. */
export function observedSigner(
  signer: Signer,
  told: (checkpoint: { as: 'log' | 'witness'; size: number; root: string }) => void,
): Signer {
  const raw: Signer['raw'] = async (message) => {
    const signature = await signer.raw(message);
    const lines = fromUtf8(message).split('\n');
    const as = lines[0] === 'cosignature/v1' ? 'witness' : 'log';
    const [origin, size, root = ''] = as === 'witness' ? lines.slice(2) : lines;
    if (origin?.startsWith('quorate/') === true)
      told({ as, size: Number(size), root: Buffer.from(root, 'base64').toString('hex') });
    return signature;
  };
  return { ...signer, raw };
}
