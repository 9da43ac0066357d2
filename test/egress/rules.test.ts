import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { isLiteralAddress, openAddresses, type Target, targetsOf } from '../../src/egress/index.ts';
import { addressesFor } from '../../src/egress/rules.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';

const port = 443;
const at = (host: string, own = port): Target => ({ host, port: own });

const addresses = (host: string, found: string[], privateTargets: Target[] = []): Promise<string[]> =>
  addressesFor(
    { targets: [at(host)], privateTargets, resolve: async () => found.map((address) => ({ address })) },
    at(host),
  );

describe('a permitted name', () => {
  it.each<[string, string, string[], Target[], string[]]>([
    ['a public address', 'git.example', ['1.1.1.1'], [], ['1.1.1.1']],
    ['private ones too', 'git.example', ['10.0.0.1', '::1', '1.1.1.1'], [], ['1.1.1.1']],
    ['one that is listed', 'git.example', ['10.0.0.1'], [at('10.0.0.1')], ['10.0.0.1']],
    ['one that is listed in another spelling', 'git.example', ['fd00::1'], [at('[FD00:0::1]')], ['fd00::1']],
    ['loopback, as localhost', 'localhost', ['127.0.0.1', '::1'], [at('localhost')], ['127.0.0.1', '::1']],
  ])('that resolves to %s is reached there', async (_, host, found, permitted, reached) => {
    expect(await addresses(host, found, permitted)).toEqual(reached);
  });

  it.each<[string, string, string[], Target[]]>([
    ['a private address', 'git.example', ['10.0.0.1'], []],
    ['another one than is listed', 'git.example', ['10.0.0.1'], [at('10.0.0.2')]],
    ['one that is listed for another port', 'git.example', ['10.0.0.1'], [at('10.0.0.1', 80)]],
    ['loopback, where localhost is listed', 'git.example', ['127.0.0.1'], [at('localhost')]],
    ['another host, as localhost', 'localhost', ['10.0.0.1'], [at('localhost')]],
    ['an address with a zone', 'git.example', ['fe80::1%eth0'], []],
    ['no address', 'git.example', [], []],
  ])('that resolves to %s is refused', async (_, host, found, permitted) => {
    await expect(addresses(host, found, permitted)).rejects.toMatchObject({
      code: 'EGRESS_ADDRESS_REFUSED',
      message: `${host} resolves to ${found.join(', ') || 'no address'}: no public address`,
    });
  });

  it('that cannot be resolved is an error that says so', async () => {
    const failed = openAddresses(
      'git.example',
      () => true,
      () => Promise.reject(new Error('ENOTFOUND')),
    );
    await expect(failed).rejects.toMatchObject({
      code: 'EGRESS_UNREACHABLE',
      message: 'the name git.example cannot be resolved',
    });
  });

  it('that resolves to a neighbour of this machine is refused, though the address is public', async () => {
    const own = { address: '8.8.8.5', cidr: '8.8.8.5/24' } as os.NetworkInterfaceInfo;
    vi.spyOn(os, 'networkInterfaces').mockReturnValue({ eth0: [own] });
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    expect(await addresses('git.example', ['8.8.8.9', '8.8.9.1'])).toEqual(['8.8.9.1']);
    await expect(addresses('git.example', ['8.8.8.9'])).rejects.toMatchObject({
      code: 'EGRESS_ADDRESS_REFUSED',
    });
  });

  it('that a gate refuses is not resolved', async () => {
    const resolve = vi.fn(async () => [{ address: '1.1.1.1' }]);
    const rules = { targets: [at('git.example')], privateTargets: [], resolve };
    const gate = {
      check: ({ host, port: asked }: Target) => {
        throw new QuorateError('EGRESS_HOST_NOT_ALLOWED', `${host}:${asked}`);
      },
    };
    await expect(addressesFor(rules, at('GIT.example'), gate)).rejects.toThrow('git.example:443');
    expect(resolve).not.toHaveBeenCalled();
  });
});

describe('an entry of a charter', () => {
  it.each<[string, Target[]]>([
    ['GIT.example', [at('git.example'), at('git.example', 9418)]],
    ['git.example:1', [at('git.example', 1)]],
    ['git.example:65535', [at('git.example', 65_535)]],
    ['[2001:db8::1]:22', [at('2001:db8::1', 22)]],
    ['[::1]', [at('::1'), at('::1', 9418)]],
    ['git.example:0', []],
    ['git.example:65536', []],
    ['2001:db8::1', []],
    [':443', []],
    ['[]', []],
    ['', []],
  ])('%s names its servers', (entry, targets) => {
    expect(targetsOf(entry, [port, 9418])).toEqual(targets);
  });

  it.each([
    ['127.0.0.1', true],
    ['::1', true],
    ['localhost', true],
    ['git.example', false],
  ])('permits a private address only where it is one, or localhost: %s', (host, literal) => {
    expect(isLiteralAddress(at(host))).toBe(literal);
  });
});
