import { issueInvite } from '../identity/idp.ts';
import { encodeTicket } from '../identity/ticket.ts';
import { inFile } from '../node/files.ts';
import { membershipHint, openCharter } from '../node/membership/credentials.ts';
import type { Home } from '../node/membership/home.ts';
import { byPeer, joinProject } from '../node/membership/join.ts';
import type { Waiting } from '../node/patience.ts';
import { controllerAddrs, type ProjectFolder } from '../owner/project-folder.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import type { Membership } from '../protocol/sessions/credentials.ts';

/** The owner's membership as publisher: the identity provider's key in the project's folder invites the key of this home. */
export async function ownerMembership(
  home: Home,
  folder: ProjectFolder,
  signal: AbortSignal,
  tell?: Waiting['tell'],
): Promise<Membership> {
  const addrs = await controllerAddrs(folder);
  const known = (await home.memberships()).find(({ project }) => project === folder.project);
  if (known?.role === 'publisher') {
    const { payload } = await inFile(home.fileOf(known.project), membershipHint, () =>
      openCharter(known.charter, known.project),
    );
    const { epoch } = payload;
    const charter = folder.charter.epoch > epoch ? folder.charterJws : known.charter;
    const current = { ...known, charter, controllers: byPeer(addrs) };
    await home.save(current);
    return current;
  }
  if (!folder.holds.idp)
    throw new QuorateError(
      'IDP_KEY_APART',
      `this home is no publisher of the project, and the identity provider's key is not in ${folder.dir}`,
      {
        hint: 'On the host of the identity provider: quorate invite owner --role publisher. Then here: quorate join <ticket>',
      },
    );
  const key = await home.key();
  const invite = await issueInvite(folder.idp.signer, {
    project: folder.project,
    operator: 'owner',
    role: 'publisher',
    key: key.id,
    addrs: addrs.slice(0, 8),
    now: Date.now(),
    seconds: 600,
  });
  return joinProject({ home, ticket: encodeTicket({ invite: invite.raw }), signal, tell });
}
