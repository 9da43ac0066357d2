import { expect, it } from 'vitest';
import { controllerPages } from '../../../src/controller/node/page-parts.ts';
import { controllerApp } from '../../../src/controller/page/controller-app.ts';
import { filesOf } from '../../../src/controller/page/tree-routes.ts';
import { nodeWeight, tarChunkBytes } from '../../../src/http/prices.ts';
import { publicTrees } from '../../../src/node/artifacts/public-trees.ts';
import { viewOf } from '../../http/support.ts';
import { store } from '../../store/support.ts';
import { linkedTree } from '../../support/linked-tree.ts';
import { Bench } from '../machine/bench.ts';

const links = 200;
const folders = 5;

/** Bytes that one is charged for. */
function accountOf() {
  const told = { nodes: 0, bytes: 0 };
  const sent = (bytes: number, weight = 1) => {
    if (weight === nodeWeight) told.nodes += bytes;
    else told.bytes += bytes * weight;
    return 0;
  };
  return { told, account: { pay: () => {}, sent, isWaiting: false } };
}

it('blocks with links, and blocks of a byte, are paid for by whoever has them read', async () => {
  const own = await store();
  const { root, nodeBytes } = await linkedTree(own, { links, folders });
  const bench = new Bench();
  await bench.start();
  const mesh = { addresses: () => [], connections: () => ({ isFull: false }) };
  const folder = { project: 'p', name: 'n', dir: '/nowhere' };
  const { trees, ...pages } = controllerPages(
    { folder, store: own, machine: bench.controller, mesh } as never,
    { logs: {}, logEvidence: { revoked: [], equivocations: [] }, bundles: {} } as never,
  );
  const shown = { ...trees, isShown: () => true };
  const { app, close } = controllerApp({
    view: viewOf(publicTrees(own, () => true)),
    pages: { ...pages, trees: shown },
    acknowledge: async () => {},
    cancel: { may: () => false, run: async () => {} },
    people: undefined,
    version: '1',
  });
  close();
  const get = async (path: string) => {
    const { told, account } = accountOf();
    const answer = await app.request(path, {}, { account } as never);
    const { byteLength: length } = await answer.arrayBuffer();
    return { ...told, status: answer.status, length };
  };
  const down = Array(folders).fill('x').join('/');
  const file = await get(`/trees/${root}/file?path=${down}`);
  expect(file).toMatchObject({ status: 200, length: links });
  // The file's block is read for its size, and again for its bytes.
  expect(file.nodes).toBeGreaterThanOrEqual(nodeBytes);
  expect(file.bytes).toBeGreaterThanOrEqual(links * tarChunkBytes);
  expect((await get(`/trees/${root}/file?path=${down}/none`)).nodes).toBe(nodeBytes);
  expect(await get(`/ipfs/${root}?format=car`)).toMatchObject({ status: 200, nodes: nodeBytes });
  // The walk comes before the first byte, which its reader need not wait for.
  expect((await get(`/trees/${root}.tar`)).nodes).toBeGreaterThanOrEqual(nodeBytes);
  const { told, account } = accountOf();
  expect(String(await filesOf(shown, root, account))).toContain('Download as tar');
  expect(told.nodes).toBeGreaterThan(0);
});
