import { expect, it } from 'vitest';
import { openGrants } from '../../../src/controller/node/open-grants.ts';
import { reachFrom } from '../../../src/node/reach.ts';
import { codeOf } from '../../support/code-and-folder.ts';

it('grants are signed with the key in the folder, or by the process that is named, never by both', async () => {
  const open = (idp: boolean, addrs: string[]) =>
    codeOf(() =>
      openGrants(
        { folder: { dir: '/project', holds: { idp }, idp: {} }, mesh: {}, machine: {} } as never,
        { addrs, clock: {}, closing: new AbortController().signal, takeCharter: async () => {} } as never,
      ),
    );
  expect(await open(true, [])).toBeUndefined();
  expect(await open(true, ['/ip4/192.0.2.1/tcp/1/p2p/x'])).toBe('IDP_KEY_HERE');
  expect(await open(false, [])).toBe('IDP_ADDRESS_NEEDED');
});

it('a server is at a public address, at one that somebody here named, or at none', async () => {
  const reach = (host: string, isNamed = false, env: NodeJS.ProcessEnv = {}) =>
    codeOf(() => reachFrom(env)({ host, port: 80 }, isNamed));
  expect(await reach('192.168.1.1')).toBe('EGRESS_ADDRESS_REFUSED');
  expect(await reach('192.168.1.1', true)).toBeUndefined();
  const env = { QUORATE_PRIVATE_HOSTS: 'other:80 192.168.1.1:80,[fd00::1]:80' };
  expect([await reach('192.168.1.1', false, env), await reach('fd00::1', false, env)]).toEqual([
    ...[undefined, undefined],
  ]);
  expect(await reach('fd00::2', false, env)).toBe('EGRESS_ADDRESS_REFUSED');
  // No name: there is nothing to be allowed.
  expect(await reach('x'.repeat(300))).not.toBe('EGRESS_ADDRESS_REFUSED');
});
