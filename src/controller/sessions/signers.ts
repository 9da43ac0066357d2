import { QuorateError } from '../../protocol/base/errors.ts';
import type { Signer } from '../../protocol/documents/index.ts';
import type { ControllerPorts } from './ports.ts';

/**
 * Signs as the key that a controller had when it promised a document: what it has said is completed and repeated under that
 * key alone. Errors: `CONTROLLER_KEY_MISSING`.
 */
export function signerOf(
  { signing, retired }: Pick<ControllerPorts, 'signing' | 'retired'>,
  id: string,
): Signer {
  const signer = [signing.signer, ...retired].find((one) => one.id === id);
  if (signer !== undefined) return signer;
  throw new QuorateError(
    'CONTROLLER_KEY_MISSING',
    `it was promised under the key ${id}, which is not in the project's folder`,
    { hint: 'Put the key into .quorate/keys/ and start the controller again.' },
  );
}
