import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { DialBudget } from '../../../src/mesh/dial-budget.ts';
import type { Mesh } from '../../../src/mesh/index.ts';
import { meshLimits } from '../../../src/mesh/limits.ts';
import { PEER_EXCHANGE_PROTOCOL, PeerExchange } from '../../../src/mesh/peer-exchange.ts';
import { bootstrapNode, bytes, node, soon, until } from '../../mesh/harness.ts';
import { addressesOf, plain } from './plain.ts';

const root = 'a project';
/** Their addresses are four times as many as the failed dials that are made, in each test. */
const keys = 12;
const perKey = meshLimits.rememberedAddrsMax;

/** A host that is no part of the network, on an address of its own; counts the connections to it. */
async function thirdParty(): Promise<{ ports: number[]; count: () => number }> {
  let connections = 0;
  const ports: number[] = [];
  for (let n = 0; n < perKey; n++) {
    const server = createServer((socket) => {
      connections += 1;
      socket.on('error', () => {});
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.2', resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    if (address !== null && typeof address === 'object') ports.push(address.port);
  }
  return { ports, count: () => connections };
}

/** Attackers tell a bootstrap node that they are at a third party; a member asks it for others. */
async function attack(): Promise<{ member: Mesh; count: () => number }> {
  const { ports, count } = await thirdParty();
  const bootstrap = await bootstrapNode();
  const address = { id: bootstrap.id, addrs: bootstrap.addresses() };
  for (let n = 0; n < keys; n++) {
    const attacker = await node({ listen: [] });
    const options = { signal: soon(), maxMessageBytes: 64 * 1024 };
    const channel = await attacker.open(address, PEER_EXCHANGE_PROTOCOL, options);
    const addrs = ports.map((port) => `/ip4/127.0.0.2/tcp/${port}/p2p/${attacker.id}`);
    await channel.send(bytes(JSON.stringify({ root, addrs })));
    await channel.receive();
    await attacker.close();
  }
  const member = await node({ bootstrap: bootstrap.addresses() });
  member.joinProject(root);
  return { member, count };
}

describe('peers that say they are at the addresses of a third party', () => {
  test('have a member open a few connections to it', async () => {
    const start = performance.now();
    const { member, count } = await attack();
    await until('dials that are not made', () => member.stats().dialsRefused > perKey);
    const more = (performance.now() - start) / meshLimits.failedDialAgainMs;
    expect(count()).toBeLessThanOrEqual(meshLimits.failedDialsPerNetwork + 1 + more);
  });

  test('control: have it open far more where failed dials are not counted', async () => {
    vi.spyOn(DialBudget.prototype, 'dial').mockImplementation((_address, connect) => connect());
    onTestFinished(() => void vi.restoreAllMocks());
    const { count } = await attack();
    await until('connections', () => count() > 3 * meshLimits.failedDialsPerNetwork);
  });
});

describe('a node that is asked for members, and names what is no peer beside an honest one', () => {
  const none = [
    { id: 'nobody', addrs: [] },
    { id: '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN', addrs: ['http://192.0.2.1'] },
  ];

  /** A member whose bootstrap node is the attacker, and who it is connected to. */
  async function ask(): Promise<{ member: Mesh; honest: Mesh; asked: () => number }> {
    const honest = await node();
    const attacker = await plain();
    let asked = 0;
    await attacker.handle(PEER_EXCHANGE_PROTOCOL, (stream) => {
      asked += 1;
      const peers = [...none, { id: honest.id, addrs: honest.addresses() }];
      const reply = bytes(JSON.stringify({ peers }));
      const message = new Uint8Array(4 + reply.length);
      new DataView(message.buffer).setUint32(0, reply.length);
      message.set(reply, 4);
      stream.send(message);
    });
    const at = addressesOf(attacker).map(String);
    const member = await node({ bootstrap: at.map((one) => withId(one, attacker.peerId.toString())) });
    member.joinProject(root);
    return { member, honest, asked: () => asked };
  }

  const withId = (address: string, id: string) =>
    address.includes('/p2p/') ? address : `${address}/p2p/${id}`;

  test('ends neither the process nor the search: the honest one is found', async () => {
    const { member, honest, asked } = await ask();
    await until('the honest one is met', () => member.connected().includes(honest.id));
    const before = asked();
    await until('another round', () => asked() > before);
  });

  test('control: ends each round where what it names is believed', async () => {
    const { ask: real } = PeerExchange.prototype;
    vi.spyOn(PeerExchange.prototype, 'ask').mockImplementation(async function (this: PeerExchange, ...given) {
      return [...none, ...(await real.apply(this, given))];
    });
    onTestFinished(() => void vi.restoreAllMocks());
    const { member, honest, asked } = await ask();
    await until('a second round', () => asked() >= 2);
    expect(member.connected()).not.toContain(honest.id);
  });
});
