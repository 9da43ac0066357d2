import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openHome } from '../../../src/node/membership/home.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { type RevocationTarget, signMessage } from '../../../src/protocol/documents/index.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { openStore } from '../../../src/store/index.ts';
import { StoreKeeper } from '../../../src/store-node/node/keeper.ts';
import { type StoreOptions, startStore } from '../../../src/store-node/node/node.ts';
import { ProjectWatch } from '../../../src/store-node/sessions/project-watch.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { cidOf } from '../../support/documents.ts';
import { loopbackMesh } from '../../support/mesh.ts';
import { controller, makeCharter, project, root } from '../../support/project.ts';
import { folder, keepAll } from './support.ts';

async function started(dir: string, more: Partial<StoreOptions> = {}) {
  const kinds: string[] = [];
  const node = await startStore({
    home: openHome(dir),
    project,
    retention: keepAll,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    announce: [],
    bootstrap: [],
    controllers: [],
    onEvent: ({ kind }) => void kinds.push(kind),
    onFailure: () => {},
    ...more,
  });
  onTestFinished(() => node.close());
  return { node, kinds };
}

it('a store is ready once it has a charter, which it reads at its start; one that is damaged is told', async () => {
  const dir = await folder();
  const file = join(dir, `charter-${project}.jws`);
  const troubles = async (text?: string) => {
    if (text !== undefined) await writeFile(file, text);
    const metrics = new Registry();
    const { node, kinds } = await started(dir, { metrics });
    const trouble = node.health.ready.find(({ name }) => name === 'charter')?.trouble();
    expect([node.kept, await metrics.metrics()]).toEqual([
      ...[{ trees: 0, bytes: 0 }, expect.stringContaining('quorate_store_kept_trees 0')],
    ]);
    await node.close();
    return [trouble, kinds.includes('charter')];
  };
  const none = 'no charter of the project was found yet';
  expect(await troubles()).toEqual([none, false]);
  expect(await troubles('damaged')).toEqual([none, true]);
  const { raw } = await signMessage('charter', makeCharter(), root.signer);
  expect(await troubles(`${raw}\n`)).toEqual([undefined, false]);
});

it('a store does not start beside another node of its home, nor without its folder', async () => {
  const dir = await folder();
  const other = await openStore({ dir: join(dir, 'store') });
  expect(await codeOf(() => started(dir))).toBe('HOME_IN_USE');
  await other.close();
  await rm(join(dir, 'store'), { recursive: true });
  await writeFile(join(dir, 'store'), '');
  const code = await codeOf(() => started(dir));
  expect([code, code === 'HOME_IN_USE']).toEqual([expect.any(String), false]);
  await rm(join(dir, 'store'));
  await mkdir(join(dir, `store-${project}.json`));
  expect(await codeOf(() => started(dir)), 'its mesh and its store are closed then').toMatch(/^HOME_|EISDIR/);
  await rm(join(dir, `store-${project}.json`), { recursive: true });
  await started(dir);
});

it('a store that cannot go on closes itself, and says why', async () => {
  const dir = await folder();
  const error = new QuorateError('STORE_DISK_FULL', 'no');
  const run = vi.spyOn(StoreKeeper.prototype, 'run').mockRejectedValue(error);
  const failed = Promise.withResolvers<unknown>();
  const opening = started(dir, { onFailure: failed.resolve });
  await expect(opening).rejects.toBe(error);
  expect(await failed.promise).toBe(error);
  run.mockRestore();
  // Its home is free again.
  await started(dir);
});

it('a store takes word by gossip from the controllers of its charter alone, and tells what fails of what it does then', async () => {
  const mesh = await loopbackMesh();
  const nodes = Object.getPrototypeOf(mesh);
  await mesh.close();
  const accepting = vi.spyOn(nodes, 'setValidator');
  const hearing = vi.spyOn(nodes, 'subscribe');
  const review = vi.spyOn(StoreKeeper.prototype, 'review').mockRejectedValue(new Error('no review'));
  const recheck = vi.spyOn(StoreKeeper.prototype, 'recheck').mockRejectedValue(new Error('no recheck'));
  onTestFinished(() => {
    for (const one of [accepting, hearing, review, recheck]) one.mockRestore();
  });
  const topic = topics.revocations(project);
  const handlerOf = (spy: typeof hearing) => spy.mock.calls.findLast(([of]) => of === topic)?.[1] as never;
  const answers = async () => {
    const accepts: (author: string, data: Uint8Array) => unknown = handlerOf(accepting);
    return [await accepts(controller.id, Buffer.from('x')), await accepts('stranger', Buffer.from('x'))];
  };
  await (await started(await folder())).node.close();
  expect(await answers()).toEqual(['ignore', 'ignore']);
  const dir = await folder();
  const { raw } = await signMessage('charter', makeCharter(), root.signer);
  await writeFile(join(dir, `charter-${project}.jws`), raw);
  const { node, kinds } = await started(dir);
  expect(await answers()).toEqual(['accept', 'reject']);
  const hear: (author: string, data: Uint8Array) => void = handlerOf(hearing);
  const revoke = async (name: string) => {
    const what: RevocationTarget = { kind: 'artifact', id: cidOf(name) };
    const payload = { iss: root.id, project, what, since: 0, reason: 'bad', iat: 1 };
    const revocation = await signMessage('revocation', payload, root.signer);
    const before = review.mock.calls.length;
    hear(controller.id, encodeMessage({ charters: [], revocations: [revocation.raw] }));
    await expect.poll(() => review.mock.calls.length).toBe(before + 1);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await revoke('one');
  expect(kinds.filter((kind) => ['revocation', 'store'].includes(kind)).sort()).toEqual([
    'revocation',
    'store',
  ]);
  await node.close();
  await revoke('two');
  expect(kinds.filter((kind) => kind === 'revocation')).toHaveLength(1);
});

it('a store asks its charter whether who connects is a controller', async () => {
  const asked = vi.spyOn(ProjectWatch.prototype, 'isController');
  onTestFinished(() => asked.mockRestore());
  const { node } = await started(await folder());
  const mesh = await loopbackMesh();
  onTestFinished(() => mesh.close());
  await mesh.connect(node.addresses());
  await expect.poll(() => asked.mock.calls).toContainEqual([mesh.id]);
});
