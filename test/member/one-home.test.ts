import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ControllerNode } from '../../src/controller/node/node.ts';
import { type Client, openClient } from '../../src/member/client.ts';
import { ownerMembership } from '../../src/member/owner-membership.ts';
import type { SubmitOptions } from '../../src/member/submit.ts';
import { openMesh } from '../../src/mesh/index.ts';
import { openHome } from '../../src/node/membership/home.ts';
import { meshDial } from '../../src/node/ports.ts';
import { initProject, type ProjectFolder } from '../../src/owner/project-folder.ts';
import { ask } from '../../src/protocol/sessions/ask.ts';
import { sessionLimits } from '../../src/protocol/sessions/limits.ts';
import { protocols } from '../../src/protocol/wire/protocols.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { until } from '../e2e/support/wait.ts';
import { loopbackController } from '../support/controller.ts';
import { makeJob } from '../support/documents.ts';
import { withLimits } from '../support/with-limits.ts';

let dir: string;
let folder: ProjectFolder;
let controller: ControllerNode;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-one-home-'));
  folder = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  controller = await loopbackController(folder);
});
afterAll(async () => {
  await controller.close();
  await rm(dir, { recursive: true, force: true });
});

async function publisher(): Promise<Client> {
  const home = openHome(join(dir, 'owner'));
  const signal = AbortSignal.timeout(150_000);
  const client = await openClient({ home, membership: await ownerMembership(home, folder, signal), signal });
  onTestFinished(() => client.close());
  // Connects.
  await client.jobs();
  return client;
}

async function storeWith(name: string, text: string): Promise<{ store: Store; tree: string }> {
  const store = await openStore({ dir: join(dir, name) });
  onTestFinished(() => store.close());
  return { store, tree: await store.importBytes(Buffer.from(text), { into: store.public }) };
}

describe('two commands of one home', () => {
  it.each(['before', 'after'])(
    'dependencies are fetched from the one that brings them, with one that was connected %s it',
    async (when) => {
      const first = await publisher();
      const second = await publisher();
      const brings = when === 'before' ? second : first;
      const { store, tree } = await storeWith(when, `dependencies brought with another one ${when}`);
      await brings.bring(store, tree, () => {});
    },
  );

  it('only the member that brings dependencies is asked for them', async () => {
    const brings = await publisher();
    const { seed } = await openHome(join(dir, 'owner')).key();
    const other = await openMesh({ key: seed, listen: [], bootstrap: [], topics: [], role: 'node' });
    onTestFinished(() => other.close());
    let asked = 0;
    other.handle(
      protocols.car,
      async () => {
        asked += 1;
      },
      { maxInboundStreams: 8, maxMessageBytes: 1000 },
    );
    const at = { id: controller.id, addrs: controller.addresses() };
    await ask(meshDial(other, AbortSignal.timeout(120_000)), [at], { kind: 'charter' });
    const { store, tree } = await storeWith('asked', 'dependencies that one process has');
    await brings.bring(store, tree, () => {});
    expect(asked).toBe(0);
  });

  it('bring dependencies of their own at once', async () => {
    const clients = [await publisher(), await publisher()];
    const trees = await Promise.all(clients.map((_, n) => storeWith(`own-${n}`, `of client ${n}`)));
    const brought = trees.map(({ store, tree }, n) => clients[n]?.bring(store, tree, () => {}));
    expect(await Promise.all(brought)).toEqual([undefined, undefined]);
  });
});

/** A job without an image, as `quorate run` would read it, and where it is from. */
function orderOf(n: number): SubmitOptions {
  const { name: _, source, ...job } = makeJob({ image: 'host' });
  return {
    repo: { url: source.url, ref: 'refs/heads/main' },
    commit: source.commit,
    tree: source.tree,
    job: { ...job, name: `job-${n}`, trust: { ...folder.charter.floor } } as SubmitOptions['job'],
    policy: folder.charter.floor,
    expiresSeconds: 3600,
  };
}

describe('commands of one home, more than its key may have streams', () => {
  it('all publish and follow, each progress once, and end with their runs', async () => {
    withLimits(sessionLimits, { followedPerPeerMax: 6 });
    const count = sessionLimits.followedPerPeerMax + 6;
    const signal = AbortSignal.timeout(120_000);
    const first = await publisher();
    const submitted: string[] = [];
    const clients: Client[] = [];
    for (let n = 0; n < count; n += 1) clients.push(await publisher());
    const ends = clients.map(async (client, n) => {
      const { run } = await client.submit(orderOf(n));
      submitted.push(run);
      const kinds: string[] = [];
      for await (const { progress } of client.follow(run, signal)) kinds.push(progress.kind);
      return kinds;
    });
    await expect.poll(() => submitted.length).toBe(count);
    const { jobs } = await first.jobs();
    expect(jobs).toHaveLength(count);
    for (const run of submitted) await first.cancel(run, 'enough');
    for (const kinds of await Promise.all(ends)) {
      expect(kinds.filter((kind) => kind === 'cancelled')).toHaveLength(1);
      expect(new Set(kinds).size).toBe(kinds.length);
    }
  });
});

describe('a run that is followed', () => {
  it('is followed on where the controller was away, each progress once', async () => {
    const client = await publisher();
    const { run } = await client.submit(orderOf(1000));
    const kinds: string[] = [];
    const end = (async () => {
      for await (const { progress } of client.follow(run, AbortSignal.timeout(120_000)))
        kinds.push(progress.kind);
    })();
    await expect.poll(() => kinds.length).toBeGreaterThan(0);
    const port = Number(controller.addresses()[0]?.split('/')[4]);
    await controller.close();
    controller = await loopbackController(folder, port);
    await until('the controller is back', () => client.cancel(run, 'enough').catch(() => undefined));
    await end;
    expect(kinds.filter((kind) => kind === 'cancelled')).toHaveLength(1);
    expect(new Set(kinds).size).toBe(kinds.length);
  });
});
