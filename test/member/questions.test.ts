import { getEventListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ControllerNode } from '../../src/controller/node/node.ts';
import { openClient } from '../../src/member/client.ts';
import { ownerMembership } from '../../src/member/owner-membership.ts';
import { serveBundles } from '../../src/node/artifacts/bundles.ts';
import { openHome } from '../../src/node/membership/home.ts';
import { initProject, type ProjectFolder } from '../../src/owner/project-folder.ts';
import { sessionTimes } from '../../src/protocol/sessions/limits.ts';
import { messageBounds } from '../../src/protocol/wire/bounds.ts';
import { codeOf } from '../support/code-and-folder.ts';
import { loopbackController } from '../support/controller.ts';
import { loopbackMesh } from '../support/mesh.ts';
import { withLimits } from '../support/with-limits.ts';

let dir: string;
let folder: ProjectFolder;
let controller: ControllerNode;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-questions-'));
  folder = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  controller = await loopbackController(folder);
});
afterAll(async () => {
  await controller.close();
  await rm(dir, { recursive: true, force: true });
});

describe('a client', () => {
  it('asks more questions in a minute than it may open streams', async () => {
    const home = openHome(join(dir, 'owner'));
    const signal = AbortSignal.timeout(50_000);
    const membership = await ownerMembership(home, folder, signal);
    const client = await openClient({ home, membership, signal });
    const count = messageBounds.api.streamsPerMinute + 100;
    let answered = 0;
    try {
      for (; answered < count; answered += 1) await client.jobs();
    } finally {
      await client.close();
    }
    expect(answered).toBe(count);
  });

  it('says what the controller does not have, and that it knows none', async () => {
    const home = openHome(join(dir, 'owner'));
    const signal = AbortSignal.timeout(50_000);
    const membership = await ownerMembership(home, folder, signal);
    const client = await openClient({ home, membership, signal });
    onTestFinished(() => client.close());
    const run = 'f'.repeat(64);
    for (const [act, code] of [
      [() => client.bundle(run), 'BUNDLE_NOT_FOUND'],
      [() => client.show(run), 'JOB_UNKNOWN'],
      [() => client.cancel(run, 'x'), 'JOB_UNKNOWN'],
      [() => client.acknowledge(run), 'JOB_UNKNOWN'],
      [() => client.follow(run, signal).next(), 'JOB_UNKNOWN'],
    ] as const)
      expect([code, await codeOf(act)]).toEqual([code, code]);
  });

  it('tells a controller that is silent when it is asked for evidence from one that is away', async () => {
    const home = openHome(join(dir, 'owner'));
    const signal = AbortSignal.timeout(100_000);
    const membership = await ownerMembership(home, folder, signal);
    const run = 'f'.repeat(64);
    const at = async (addrs: string[]) => {
      const controllers = [{ id: folder.controller.id, addrs }];
      const client = await openClient({
        home,
        membership: { ...membership, controllers, bootstrap: [] },
        signal,
      });
      onTestFinished(() => client.close());
      return client;
    };
    // The search for another controller, where nobody is to be found.
    withLimits(sessionTimes, { searchMs: 50, findMs: 50 });
    const silent = await loopbackMesh(folder.controller.seed);
    onTestFinished(() => silent.close());
    const get = async (which: string) => (which === run ? new Promise<never>(() => {}) : undefined);
    serveBundles(silent, { get, size: async () => 1_000 });
    const waiting = await at(silent.addresses());
    // Connects.
    expect(await codeOf(() => waiting.bundle('e'.repeat(64)))).toBe('BUNDLE_NOT_FOUND');
    withLimits(sessionTimes, { answerMs: 3_600_000 });
    expect(await codeOf(() => waiting.bundle(run, 200))).toBe('MESH_TIMEOUT');
    withLimits(sessionTimes, { answerMs: 200 });
    expect(await codeOf(() => waiting.bundle(run))).toBe('MESH_TIMEOUT');
    expect(await codeOf(() => waiting.bundle(run, 3_600_000))).toBe('MESH_TIMEOUT');
    const away = await at(['/ip4/127.0.0.1/tcp/1']);
    expect(await codeOf(() => away.bundle(run))).toBe('MESH_UNREACHABLE');
  });

  it('reads the present addresses when the controller is not at the known one, and passes over those of other keys', async () => {
    const home = openHome(join(dir, 'owner'));
    const signal = AbortSignal.timeout(50_000);
    const known = await ownerMembership(home, folder, signal);
    const { addrs } = (await folder.address()) ?? { addrs: [] };
    const away = '/ip4/127.0.0.1/tcp/1';
    const controllers = [{ id: folder.controller.id, addrs: [away] }];
    const membership = { ...known, controllers, bootstrap: [] };
    let told = [`/ip4/127.0.0.1/tcp/2/p2p/${folder.idp.id}`];
    const client = await openClient({ home, membership, addresses: async () => told, signal });
    onTestFinished(() => client.close());
    await expect(client.jobs()).rejects.toMatchObject({
      code: 'CONTROLLER_UNREACHABLE',
      hint: expect.stringContaining(`Tried: ${away}. Is`),
    });
    told = addrs;
    expect(await client.jobs()).toMatchObject({ jobs: [] });
  });

  it('that was closed is held by nothing of the process that opened it', async () => {
    const home = openHome(join(dir, 'owner'));
    const { signal } = new AbortController();
    const membership = await ownerMembership(home, folder, signal);
    const before = getEventListeners(signal, 'abort').length;
    const client = await openClient({ home, membership, signal });
    await client.jobs();
    await client.close();
    expect(getEventListeners(signal, 'abort')).toHaveLength(before);
  });
});
