import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nonceOf } from '../../../simulations/paperwork.ts';
import { generateSeed, keyFromSeed, type NodeKey } from '../../../src/identity/keys.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { meshDial, signingOf } from '../../../src/node/ports.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { signMessage } from '../../../src/protocol/documents/index.ts';
import { Credentials, type Membership } from '../../../src/protocol/sessions/credentials.ts';
import { join } from '../../../src/protocol/sessions/join.ts';
import { sessionTimes } from '../../../src/protocol/sessions/limits.ts';
import type { Dial, Signing } from '../../../src/protocol/sessions/ports.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { deadlineMs } from '../../e2e/support/wait.ts';
import {
  at,
  controller,
  idp,
  makeCharter,
  makeGrant,
  project,
  root,
  testKey,
} from '../../support/documents.ts';
import { withLimits } from '../../support/with-limits.ts';

const member = testKey('a member that was away');
const successor = testKey('the next controller');
const clock = { now: () => at * 1000 };

let strangerKey: NodeKey;
let stranger: Mesh;
let mesh: Mesh;
let stop: AbortController;
/** Messages to the stranger. */
let heard: { kind?: string }[];
/** Its answer; undefined: none. */
let answer: string | undefined;

const nodeOf = (key: NodeKey, listen: string[]) =>
  openMesh({ key: key.seed, listen, bootstrap: [], topics: [], role: 'node' });

beforeEach(async () => {
  strangerKey = keyFromSeed(generateSeed());
  stop = new AbortController();
  heard = [];
  answer = undefined;
  stranger = await nodeOf(strangerKey, ['/ip4/127.0.0.1/tcp/0']);
  stranger.handle(
    protocols.api,
    async (channel) => {
      const asked = await channel.receive({ timeoutMs: 120_000 });
      heard.push(JSON.parse(new TextDecoder().decode(asked ?? toUtf8('{}'))));
      if (answer === undefined)
        await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
      else await channel.send(toUtf8(JSON.stringify({ kind: 'charter', charter: answer })));
      await channel.close();
    },
    { maxInboundStreams: 8, maxMessageBytes: 1 << 20 },
  );
  mesh = await nodeOf(member, []);
});

afterEach(async () => {
  stop.abort();
  await Promise.all([mesh.close(), stranger.close()]);
});

const charter = async (over: Parameters<typeof makeCharter>[0], key = root) =>
  (await signMessage('charter', { ...makeCharter(over), iss: key.id }, key.signer)).raw;

/** A member that knows the controller of before at the address where the stranger is now. */
async function away(signing: Signing = signingOf(member.signer)): Promise<Credentials> {
  const [address = ''] = stranger.addresses();
  const there = address.slice(0, address.indexOf('/p2p/'));
  const membership: Membership = {
    project,
    name: 'example',
    operator: 'ada',
    role: 'worker',
    bootstrap: [],
    charter: await charter({ epoch: 2 }),
    grant: (await signMessage('grant', makeGrant(member, 'ada', 'worker'), idp.signer)).raw,
    controllers: [{ id: controller.id, addrs: [`${there}/p2p/${controller.id}`] }],
  };
  return Credentials.open(signing, clock, membership, async () => {});
}

const dial = (): Dial => meshDial(mesh, AbortSignal.any([stop.signal, AbortSignal.timeout(deadlineMs)]));

describe('a stranger at the address where the controller was', () => {
  it.each([
    ['a charter of its own', () => charter({ epoch: 9, controllers: [strangerKey.id] }, strangerKey)],
    [
      'one that says it is of the project',
      () => charter({ epoch: 9, project: strangerKey.id, controllers: [strangerKey.id] }, strangerKey),
    ],
    ['the charter of before', () => charter({ epoch: 1, controllers: [testKey('revoked').id] })],
    ['nonsense', async () => 'e30.e30.e30'],
    ['more than a charter can be', async () => 'x'.repeat(900_000)],
  ])('is asked for a charter and believed in nothing: %s', async (_what, made) => {
    answer = await made();
    const credentials = await away();
    const before = credentials.membership;
    expect(await credentials.searchControllers(dial())).toBe(false);
    expect(credentials.membership).toEqual(before);
    expect(heard).toEqual([{ kind: 'charter' }]);
  });

  it('is waited for no longer than a few seconds where it says nothing', async () => {
    expect(sessionTimes.searchMs).toBeLessThan(5_000);
    withLimits(sessionTimes, { searchMs: 1_500 });
    const credentials = await away();
    // It ends by itself: before what would end it here, and while the stranger still says nothing.
    const limit = AbortSignal.timeout(deadlineMs);
    expect(await credentials.searchControllers(meshDial(mesh, limit))).toBe(false);
    expect([limit.aborted, heard]).toEqual([false, [{ kind: 'charter' }]]);
  });

  it('may pass on the true charter, and gets nothing for it: the key that it names is not there', async () => {
    answer = await charter({ epoch: 3, controllers: [successor.id] });
    const credentials = await away();
    expect(await credentials.searchControllers(dial())).toBe(true);
    expect(credentials.membership.controllers).toMatchObject([{ id: successor.id }]);
    await expect(credentials.renew(dial())).rejects.toMatchObject({ code: 'CONTROLLER_UNREACHABLE' });
    expect(heard).toEqual([{ kind: 'charter' }]);
  });

  it('does not have a ticket believe a charter of before, where somebody else shows the one in force', async () => {
    const shown = [await charter({ epoch: 2 }), await charter({ epoch: 3, controllers: [successor.id] })];
    const dialled: (string | null)[] = [];
    const answering: Dial = async ({ id, addrs }) => {
      dialled.push(id);
      const found = shown[Number(addrs[0]?.at(-1)) - 1];
      if (id !== null || found === undefined) throw new QuorateError('MESH_UNREACHABLE', 'nobody is there');
      return {
        peer: strangerKey.id,
        closed: false,
        send: async () => {},
        close: async () => {},
        abort() {},
        receive: async () => toUtf8(JSON.stringify({ kind: 'charter', charter: found })),
      };
    };
    const invite = await signMessage(
      'invite',
      {
        iss: idp.id,
        project,
        operator: 'ada',
        role: 'worker',
        hosts: 1,
        addrs: [],
        jti: nonceOf('invite'),
        iat: at,
        exp: at + 600,
      },
      idp.signer,
    );
    const named = [1, 2].map((n) => `/ip4/127.0.0.1/tcp/${n}`);
    const around = { dial: answering, signing: signingOf(member.signer), clock };
    await expect(join(around, { invite }, [{ id: controller.id, addrs: named }])).rejects.toBeDefined();
    expect(dialled).toEqual([controller.id, null, null, successor.id]);
  });

  it('drives out no address that was known, nor has it dialled after many, whatever it says in the DHT', async () => {
    const credentials = await away();
    const [known] = credentials.membership.controllers[0]?.addrs ?? [];
    const madeUp = (from: number, count = 20) =>
      Array.from({ length: count }, (_, n) => `/ip4/10.0.0.${from + n}/tcp/1/p2p/${controller.id}`);
    for (const from of [0, 20, 40, 60])
      await credentials.learnAddress(controller.id, [...madeUp(from, 1), ...madeUp(from)]);
    const addrs = () => credentials.membership.controllers[0]?.addrs ?? [];
    expect(new Set(addrs())).toHaveProperty('size', 16);
    // A dial has no time for two silent addresses.
    expect(addrs()[1]).toBe(known);
    // One that is right is taken all the same, and dialled first.
    const [right = ''] = madeUp(200, 1);
    await credentials.learnAddress(controller.id, [right]);
    expect(addrs().slice(0, 2)).toEqual([right, known]);
    expect(addrs()).toHaveLength(16);
  });

  it('control: where anybody’s signature counts, it becomes the controller and is shown who asks', async () => {
    answer = await charter({ epoch: 9, controllers: [strangerKey.id] }, strangerKey);
    const signing = signingOf(member.signer);
    const gullible: Signing = {
      ...signing,
      documents: {
        ...signing.documents,
        message: async (kind, raw) => ({ ...(await signing.documents.message(kind, raw)), signer: project }),
      },
    };
    const credentials = await away(gullible);
    expect(await credentials.searchControllers(dial())).toBe(true);
    await expect(credentials.renew(dial())).rejects.toBeDefined();
    expect(heard).toMatchObject([{ kind: 'charter' }, { kind: 'renew' }]);
  });
});
