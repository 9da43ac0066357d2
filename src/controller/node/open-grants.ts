import { joseDocuments, meshDial } from '../../node/ports.ts';
import { keyIsHere } from '../../owner/project-folder.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Charter, Verified } from '../../protocol/documents/index.ts';
import type { Clock } from '../../protocol/sessions/ports.ts';
import { signedCharter } from '../machine/members/charter.ts';
import { IdpClient, localGrants } from '../sessions/grants.ts';
import type { Grants } from '../sessions/ports.ts';
import type { ControllerContext } from './context.ts';

/** Has grants signed by the key in the folder, or the process at these addresses. @throws `IDP_ADDRESS_NEEDED`, `IDP_KEY_HERE`. */
export function openGrants(
  { folder, machine, mesh, tell, closing }: ControllerContext,
  {
    addrs,
    clock,
    takeCharter,
  }: { addrs: readonly string[]; clock: Clock; takeCharter: (charter: Verified<Charter>) => Promise<void> },
): { grants: Grants; start: () => void; learnCharter: () => Promise<void> } {
  if (folder.holds.idp) {
    if (addrs.length > 0) throw keyIsHere(folder.dir);
    return { grants: localGrants(folder.idp.signer), start() {}, async learnCharter() {} };
  }
  if (addrs.length === 0)
    throw new QuorateError('IDP_ADDRESS_NEEDED', `the identity provider's key is not in ${folder.dir}`, {
      hint: 'Say where its process is: quorate controller --idp <address>',
    });
  const client = new IdpClient({
    project: folder.project,
    idpAddrs: addrs,
    dial: meshDial(mesh, closing),
    documents: joseDocuments,
    clock,
    charter: () => signedCharter(machine),
    takeCharter,
    addresses: () => mesh.addresses(),
    tell,
  });
  return {
    grants: client,
    start: () => client.start(),
    learnCharter: () => client.exchange().catch(() => {}),
  };
}
