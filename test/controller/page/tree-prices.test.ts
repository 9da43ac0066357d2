import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { expect, it } from 'vitest';
import { controllerPages } from '../../../src/controller/node/page-parts.ts';
import { controllerApp } from '../../../src/controller/page/controller-app.ts';
import { filesOf } from '../../../src/controller/page/tree-routes.ts';
import { httpLimits } from '../../../src/http/limits.ts';
import { nodeWeight, tarChunkBytes } from '../../../src/http/prices.ts';
import { publicTrees } from '../../../src/node/artifacts/public-trees.ts';
import type { Store } from '../../../src/store/index.ts';
import { viewOf } from '../../http/support.ts';
import { store } from '../../store/support.ts';
import { linkedTree } from '../../support/linked-tree.ts';
import { Bench } from '../machine/bench.ts';

const links = 200;
const folders = 5;

/** Bytes that one is charged for. */
function accountOf() {
  const told = { nodes: 0, count: 0, bytes: 0 };
  const sent = (bytes: number, weight = 1) => {
    if (weight === nodeWeight) {
      told.nodes += bytes;
      told.count++;
    } else told.bytes += bytes * weight;
    return 0;
  };
  return { told, account: { pay: () => {}, sent, isWaiting: false } };
}

/** A folder of shards without an entry: each of the first ones has all of the second ones, which are one block. */
async function treeOfShards({ blocks }: Store): Promise<string> {
  const Data = new UnixFS({ type: 'hamt-sharded-directory', fanout: 256n, hashType: 0x22n }).marshal();
  const put = async (below?: CID) => {
    const link = { Name: '00', Hash: below, Tsize: 1 };
    const bytes = encode(prepare({ Data, Links: below === undefined ? [] : Array(100).fill(link) }));
    const cid = CID.createV1(0x70, await sha256.digest(bytes));
    await blocks.put(cid, bytes);
    return cid;
  };
  return blocks.during(async () => (await put(await put(await put()))).toString());
}

async function pagesOf(own: Store) {
  const bench = new Bench();
  await bench.start();
  const mesh = { addresses: () => [], connections: () => ({ isFull: false }) };
  const folder = { project: 'p', name: 'n', dir: '/nowhere' };
  return controllerPages(
    { folder, store: own, machine: bench.controller, mesh } as never,
    { logs: {}, logEvidence: { revoked: [], equivocations: [] }, bundles: {} } as never,
  );
}

it('the files of a tree are listed as far as they are found soon, for a price that leaves a visitor others', async () => {
  const own = await store();
  const root = await treeOfShards(own);
  const { trees } = await pagesOf(own);
  const shown = { ...trees, isShown: () => true };
  const { told, account } = accountOf();
  expect(String(await filesOf(shown, root, account))).toContain('There are more files');
  const { count } = told;
  expect(count).toBeLessThan(3_000);
  expect((told.nodes * nodeWeight) / httpLimits.bytesPerRequest).toBeLessThan(httpLimits.requestsBurst);
  expect(String(await filesOf(shown, root, account))).toContain('There are more files');
  expect(told.count).toBe(count);
});

it('blocks with links, and blocks of a byte, are paid for by whoever has them read', async () => {
  const own = await store();
  const { root, nodeBytes } = await linkedTree(own, { links, folders });
  const { trees, ...pages } = await pagesOf(own);
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
