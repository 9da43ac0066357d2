import { type AddressInfo, createServer } from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DialBudget } from '../../src/mesh/dial-budget.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { codeOf, node } from './harness.ts';

const { failedDialsPerNetwork } = meshLimits;
const peer = '12D3KooWL3XJ9EMCyZvmmGXL2LMiVBtrVa2BuESsJiXkSj7333Jw';

/** Dials addresses, of which these answer; gives how many were dialled. */
function dialling(
  answers: (address: string) => boolean = () => false,
  configured: string[] = [],
  fails = (_address: string) => 'NOBODY',
) {
  let now = 0;
  let dialled = 0;
  const wait = (ms: number) => {
    now += ms;
  };
  const budget = new DialBudget(configured, () => now);
  const dial = (address: string) =>
    codeOf(
      budget.dial(multiaddr(address), async () => {
        dialled += 1;
        if (!answers(address)) throw Object.assign(new Error('nobody is there'), { code: fails(address) });
      }),
    );
  return { budget, dial, wait, dialled: () => dialled };
}

const at = (port: number, host = '/ip4/192.0.2.1') => `${host}/tcp/${port}`;

describe('addresses that others tell', () => {
  test('are dialled in vain a few times in each network, then one now and then', async () => {
    const { budget, dial, wait, dialled } = dialling();
    for (let port = 1; port <= 100; port++) await dial(at(port));
    expect(dialled()).toBe(failedDialsPerNetwork);
    expect(await dial(at(1))).toBe('MESH_UNREACHABLE');
    expect(budget.refused).toBe(100 - failedDialsPerNetwork + 1);
    expect(await dial(at(1, '/ip4/192.0.2.2'))).toBe('NOBODY');
    wait(10_000);
    expect(await dial(at(1))).toBe('NOBODY');
    expect(await dial(at(1))).toBe('MESH_UNREACHABLE');
  });

  test('are one network in a /64 of IPv6, and by their names', async () => {
    for (const host of [
      (n: number) => `/ip6/2001:db8::${n.toString(16)}`,
      (n: number) => `/dns4/n${n}.example`,
    ]) {
      const { dial, dialled } = dialling();
      for (let n = 1; n <= 100; n++) await dial(at(4001, host(n)));
      expect(dialled()).toBe(failedDialsPerNetwork);
    }
  });

  test('are not limited where the right peer is found', async () => {
    const { dial, dialled } = dialling((address) => address !== at(7));
    for (let port = 1000; port < 1100; port++) await dial(at(port));
    for (let n = 0; n < 100; n++) await dial(at(7));
    expect(dialled()).toBe(100 + failedDialsPerNetwork);
    // It was found there before.
    expect(await dial(at(1000))).toBeUndefined();
  });
});

test('a peer that is too busy stays so where it is dialled no more, and one that is not there does not become it', async () => {
  const fails = (address: string) => (address === at(1) ? 'ECONNRESET' : 'ECONNREFUSED');
  const { dial } = dialling(() => false, [], fails);
  for (let n = 0; n < failedDialsPerNetwork; n += 2) for (const port of [1, 2]) await dial(at(port));
  const refused = async () => [await dial(at(1)), await dial(at(2)), await dial(at(3))];
  expect(await refused()).toEqual(['MESH_BUSY', 'MESH_UNREACHABLE', 'MESH_UNREACHABLE']);
  // It is known of 2,000 places with what they failed.
  for (let n = 3; n <= 2_000; n++) await dial(at(1, `/ip4/198.51.${n >> 8}.${n & 255}`));
  expect(await dial(at(1))).toBe('MESH_BUSY');
  await dial(at(1, '/ip4/203.0.113.1'));
  expect(await dial(at(1))).toBe('MESH_UNREACHABLE');
});

test('a busy peer of many addresses is told of as that, more often than they may all be dialled', async () => {
  const addrs = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const server = createServer((socket) => void socket.on('error', () => {}).resetAndDestroy());
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      onTestFinished(() => void server.close());
      return at((server.address() as AddressInfo).port, '/ip4/127.0.0.1');
    }),
  );
  const mesh = await node({ listen: [] });
  const open = () => mesh.open({ id: peer, addrs }, '/quorate/x/1', { maxMessageBytes: 5 });
  for (let n = 0; n < 3; n++) expect(await codeOf(open())).toBe('MESH_BUSY');
  expect(mesh.stats().dialsRefused).toBeGreaterThan(0);
});

test('the 2,000 addresses at which a peer was found last are not limited', async () => {
  let isUp = true;
  const { dial } = dialling(() => isUp);
  for (let port = 1; port <= 2_000; port++) await dial(at(port));
  for (const port of [1, 2_001]) await dial(at(port));
  isUp = false;
  for (let port = 3_001; port <= 3_024; port++) expect(await dial(at(port))).toBe('NOBODY');
  for (const port of [1, 3, 2_001]) expect(await dial(at(port))).toBe('NOBODY');
  expect(await dial(at(2))).toBe('MESH_UNREACHABLE');
});

test('a name at which the right peer was found is limited like other names after a dial to it fails', async () => {
  let leads = true;
  const { dial, dialled } = dialling(() => leads);
  const name = (n: number) => at(4001, `/dns4/n${n}.example`);
  const names = failedDialsPerNetwork + 1;
  for (let n = 0; n < names; n++) await dial(name(n));
  expect(dialled()).toBe(names);
  leads = false;
  for (let again = 0; again < 10; again++) for (let n = 0; n < names; n++) await dial(name(n));
  expect(dialled()).toBe(2 * names);
  // A dial that failed counts, also where it was not limited.
  leads = true;
  expect(await dial(name(0))).toBe('MESH_UNREACHABLE');
});

test('addresses that the operator configured are dialled as often as is wanted', async () => {
  const { dial, dialled } = dialling(() => false, [`${at(1)}/p2p/${peer}`]);
  for (let n = 0; n < 100; n++) await dial(at(1));
  expect(dialled()).toBe(100);
});
