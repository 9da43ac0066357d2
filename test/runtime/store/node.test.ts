import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { expect, it, onTestFinished, vi } from 'vitest';
import { signMessage } from '../../../src/core/documents/index.ts';
import { QuorateError } from '../../../src/core/errors.ts';
import { openHome } from '../../../src/runtime/membership/home.ts';
import { StoreKeeper } from '../../../src/runtime/store/keeper.ts';
import { type StoreOptions, startStore } from '../../../src/runtime/store/node.ts';
import { openStore } from '../../../src/store/index.ts';
import { makeCharter, project, root } from '../../support/project.ts';
import { codeOf } from '../support.ts';
import { folder, keepAll } from './support.ts';

async function started(dir: string, more: Partial<StoreOptions> = {}) {
  const kinds: string[] = [];
  const node = await startStore({
    ...{ home: openHome(dir), project, retention: keepAll },
    ...{ listen: ['/ip4/127.0.0.1/tcp/0'], announce: [], bootstrap: [], controllers: [] },
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
  await started(dir, { onFailure: failed.resolve });
  expect(await failed.promise).toBe(error);
  run.mockRestore();
  // Its home is free again.
  await started(dir);
});
