import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { signMessage } from '../../../src/core/documents/index.ts';
import { Credentials, type Membership } from '../../../src/core/sessions/credentials.ts';
import type { Dial, Signing } from '../../../src/core/sessions/ports.ts';
import { toUtf8 } from '../../../src/core/text.ts';
import { protocols } from '../../../src/core/wire/protocols.ts';
import { generateSeed, keyFromSeed, type NodeKey } from '../../../src/identity/keys.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { meshDial, signingOf } from '../../../src/runtime/node/ports.ts';
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

const member = testKey('a member that was away');
const successor = testKey('the next controller');
const clock = { now: () => at * 1000 };

let strangerKey: NodeKey;
let stranger: Mesh;
let mesh: Mesh;
let stop: AbortController;
/** What the stranger was sent. */
let heard: { kind?: string }[];
/** What it answers; undefined: nothing. */
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
      const asked = await channel.receive({ timeoutMs: 5_000 });
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
    ...{ project, name: 'example', operator: 'ada', role: 'worker', bootstrap: [] },
    charter: await charter({ epoch: 2 }),
    grant: (await signMessage('grant', makeGrant(member, 'ada', 'worker'), idp.signer)).raw,
    controllers: [{ id: controller.id, addrs: [`${there}/p2p/${controller.id}`] }],
  };
  return Credentials.open(signing, clock, membership, async () => {});
}

const dial = (): Dial => meshDial(mesh, AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]));

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
    const credentials = await away();
    const from = performance.now();
    expect(await credentials.searchControllers(dial())).toBe(false);
    expect(performance.now() - from).toBeLessThan(15_000);
  });

  it('may pass on the true charter, and gets nothing for it: the key that it names is not there', async () => {
    answer = await charter({ epoch: 3, controllers: [successor.id] });
    const credentials = await away();
    expect(await credentials.searchControllers(dial())).toBe(true);
    expect(credentials.membership.controllers).toMatchObject([{ id: successor.id }]);
    await expect(credentials.renew(dial())).rejects.toMatchObject({ code: 'CONTROLLER_UNREACHABLE' });
    expect(heard).toEqual([{ kind: 'charter' }]);
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
