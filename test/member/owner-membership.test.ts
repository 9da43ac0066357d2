import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ownerMembership } from '../../src/member/owner-membership.ts';
import { openHome } from '../../src/node/membership/home.ts';
import { initProject, openProjectFolder, signNext } from '../../src/owner/project-folder.ts';
import { signMessage } from '../../src/protocol/documents/index.ts';
import type { Membership } from '../../src/protocol/sessions/credentials.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';
import { testKey } from '../support/documents.ts';

const { signal } = new AbortController();

it('an owner who is a publisher asks the controller of the folder, under the newest charter of the two', async () => {
  const {
    dir,
    root,
    charter: first,
  } = await initProject(await folder(), { name: 'tools', vcs: [], bootstrap: [] });
  await signNext({ dir, root }, first, first);
  const made = await openProjectFolder(dir);
  const home = openHome(join(dir, 'home'));
  const of = (addrs?: string[], idp = true) =>
    Object.create(made, {
      address: { value: async () => addrs && { addrs } },
      holds: { value: { controller: true, idp } },
    }) as typeof made;
  const ask = (of_: typeof made) => ownerMembership(home, of_, signal);
  expect(await codeOf(() => ask(of()))).toBe('CONTROLLER_UNREACHABLE');
  const addrs = [`/ip4/127.0.0.1/tcp/1/p2p/${made.controller.id}`];
  expect(await codeOf(() => ask(of(addrs, false)))).toBe('IDP_KEY_APART');

  const charter = async (epoch: number, name: string) =>
    (await signMessage('charter', { ...made.charter, epoch, name }, (root ?? testKey('none')).signer)).raw;
  const known: Membership = {
    project: made.project,
    name: 'tools',
    operator: 'owner',
    role: 'publisher',
    grant: 'g',
    charter: '',
    controllers: [],
    bootstrap: [],
  };
  for (const [epoch, isOfFolder] of [
    [made.charter.epoch - 1, true],
    [made.charter.epoch, false],
    [made.charter.epoch + 1, false],
  ] as const) {
    const own = await charter(epoch, 'own');
    await home.save({ ...known, charter: own });
    const membership = await ask(of(addrs, false));
    expect(membership).toEqual({
      ...known,
      charter: isOfFolder ? made.charterJws : own,
      controllers: [{ id: made.controller.id, addrs }],
    });
    expect(await home.membership()).toEqual(membership);
  }
  // A member of another role is none of these.
  await home.save({ ...known, role: 'reader', charter: await charter(1, 'x') });
  expect(await codeOf(() => ask(of(addrs, false)))).toBe('IDP_KEY_APART');
});
