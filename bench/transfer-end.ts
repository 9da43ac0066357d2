// One end of the transfer bench, in a process of its own.
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { openMesh } from '../src/mesh/index.ts';
import { pullArtifact, serveArtifacts } from '../src/node/artifacts/transfer.ts';
import { openStore } from '../src/store/index.ts';
import { answer, seconds } from './run.ts';

const raw = '/quorate-bench/raw/1';
const chunkBytes = 64 * 1024;

const [dir = '', treeDir = ''] = process.argv.slice(2);
const mesh = await openMesh({
  key: randomBytes(32),
  listen: ['/ip4/127.0.0.1/tcp/0'],
  bootstrap: [],
  topics: [],
  role: 'node',
});
const provider = treeDir === '' ? undefined : await openStore({ dir, libp2p: mesh.libp2p });
if (provider !== undefined) serveArtifacts({ mesh, store: provider });

/** As fast as the library goes: no framing, no hash, no disk. */
await mesh.libp2p.handle(raw, async (stream: Stream) => {
  const chunk = randomBytes(chunkBytes);
  for (let sent = 0; sent < rawBytes; sent += chunk.length) {
    if (!stream.send(chunk))
      await new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }));
  }
  await stream.close();
});
let rawBytes = 0;

/** Times one way of bringing a tree into a new store. */
async function into(
  way: (store: Awaited<ReturnType<typeof openStore>>) => Promise<unknown>,
): Promise<{ took: number; pinned: number }> {
  const fresh = join(dir, `to-${randomBytes(4).toString('hex')}`);
  const store = await openStore({ dir: fresh, libp2p: mesh.libp2p });
  try {
    let root: unknown;
    const took = await seconds(async () => {
      root = await way(store);
    });
    const pinned = took + (await seconds(() => store.pin([String(root)], 'bench')));
    return { took, pinned };
  } finally {
    await store.close();
    await rm(fresh, { recursive: true });
  }
}

answer({
  address: () => ({ id: mesh.id, addrs: mesh.addresses() }),
  connect: (addrs: string[]) => mesh.connect(addrs),
  import: async (from: string) => (await provider?.importDirectory(from, { into: provider.public }))?.root,
  rawBytes: (bytes: number) => {
    rawBytes = bytes;
  },
  raw: (addr: string) =>
    seconds(async () => {
      const stream = await mesh.libp2p.dialProtocol(multiaddr(addr), raw);
      let got = 0;
      stream.addEventListener('message', ({ data }) => {
        got += data.byteLength;
      });
      await new Promise((resolve) => stream.addEventListener('remoteCloseWrite', resolve, { once: true }));
      await stream.close();
      return got;
    }),
  stream: (root: string, from: string) =>
    into(async (store) => {
      await pullArtifact({ mesh, store }, root, { from: [from], signal: AbortSignal.timeout(60_000) });
      return root;
    }),
  bitswap: (root: string, from: string) =>
    into(async (store) => {
      await store.pull(root, { from: [from] });
      return root;
    }),
});
