import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { expect, it } from 'vitest';
import { controllerPages } from '../../../src/controller/node/page-parts.ts';
import { controllerApp } from '../../../src/controller/page/controller-app.ts';
import { filesOf } from '../../../src/controller/page/tree-routes.ts';
import { nodeWeight, tarChunkBytes } from '../../../src/http/prices.ts';
import { publicTrees } from '../../../src/node/artifacts/public-trees.ts';
import { viewOf } from '../../http/support.ts';
import { store } from '../../store/support.ts';
import { Bench } from '../machine/bench.ts';

const links = 200;
const folders = 5;

/** A tree as a builder can make it by hand: folders in folders, each with many names; at the bottom a file of blocks of one byte. */
async function treeOfLinks() {
  const own = await store();
  let nodeBytes = 0;
  const put = async (code: number, bytes: Uint8Array) => {
    const cid = CID.createV1(code, await sha256.digest(bytes));
    await own.blocks.put(cid, bytes);
    if (code === 0x70) nodeBytes += bytes.length;
    return cid;
  };
  const root = await own.blocks.during(async () => {
    const leaf = await put(0x55, new Uint8Array(1));
    const linksTo = (name: (n: number) => string) =>
      Array.from({ length: links }, (_, n) => ({ Name: name(n), Hash: leaf, Tsize: 1 }));
    const parts = new UnixFS({ type: 'file' });
    for (let n = 0; n < links; n++) parts.addBlockSize(1n);
    let at = await put(0x70, encode({ Data: parts.marshal(), Links: linksTo(() => '') }));
    for (let n = 0; n < folders; n++) {
      const Data = new UnixFS({ type: 'directory' }).marshal();
      const Links = [...linksTo((m) => `y${m}`), { Name: 'x', Hash: at, Tsize: 1 }];
      at = await put(0x70, encode(prepare({ Data, Links })));
    }
    return at.toString();
  });
  return { own, root, nodeBytes };
}

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
  const { own, root, nodeBytes } = await treeOfLinks();
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
