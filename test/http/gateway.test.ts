import { createHash } from 'node:crypto';
import { get } from 'node:http';
import { CID } from 'multiformats/cid';
import { describe, expect, it } from 'vitest';
import { artifactLimits } from '../../src/node/artifacts/limits.ts';
import { publicTrees } from '../../src/node/artifacts/public-trees.ts';
import type { Store } from '../../src/store/index.ts';
import { CarDecoder } from '../../src/transfer/index.ts';
import { until } from '../e2e/support/wait.ts';
import { noiseBytes, store, tar } from '../store/support.ts';
import { withLimits } from '../support/with-limits.ts';
import { ask, codeIn, raw, serve } from './support.ts';

const mib = 1024 * 1024;

/** A store with a tree of small and large files, and another tree that is still sealed. */
async function trees(): Promise<{ own: Store; root: string; sealed: string; bytes: number }> {
  const own = await store();
  const entries = [
    { name: 'small.txt', body: 'hello' },
    { name: 'folder/large.bin', body: noiseBytes(5 * mib) },
    { name: 'folder/twice.bin', body: noiseBytes(5 * mib) },
  ];
  const { root } = await own.importTar(await tar(entries), { into: own.public });
  const secret = await tar([{ name: 'secret', body: 'sealed' }]);
  const sealed = await own.importTar(secret, { into: own.sealed('lease') });
  return { own, root, sealed: sealed.root, bytes: 5 * mib };
}

/** The whole body, as it came. */
function bytesOf(port: number, path: string): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
      response.on('error', reject);
    }).on('error', reject);
  });
}

describe('a trustless gateway', () => {
  it('gives a tree as one CAR, each block once, in the order in which it can be verified', async () => {
    const { own, root, bytes } = await trees();
    const server = await serve(publicTrees(own, () => true));
    const head = await ask(server, `/ipfs/${root}?format=car`, { method: 'HEAD' });
    expect(head.headers).toMatchObject({
      'content-type': 'application/vnd.ipld.car; version=1; order=dfs; dups=n',
      'content-disposition': `attachment; filename="${root}.car"`,
      'x-content-type-options': 'nosniff',
      'quorate-level': 'trusted',
      'cache-control': 'no-cache',
      etag: `"${root}.trusted.car"`,
    });
    const { status, body } = await bytesOf(server.port, `/ipfs/${root}?format=car`);
    expect(status).toBe(200);
    expect(body.length).toBeGreaterThan(bytes);
    expect(body.length).toBeLessThan(bytes + 10_000);

    const other = await store();
    const cid = CID.parse(root);
    const decoder = new CarDecoder([{ cid, depth: 0 }], (at, block) => other.blocks.links(at, block));
    await other.blocks.during(async () => {
      decoder.push(body);
      for (let block = decoder.next(); block !== undefined; block = decoder.next())
        await other.blocks.put(block.cid, Uint8Array.from(block.bytes));
      decoder.end();
    });
    expect(decoder.rest()).toEqual([]);
    expect(await other.has(root)).toBe(true);
  });

  it('gives a single block that hashes to its CID', async () => {
    const { own, root } = await trees();
    const { body } = await bytesOf(
      (await serve(publicTrees(own, () => true))).port,
      `/ipfs/${root}?format=raw`,
    );
    const digest = createHash('sha256').update(body).digest();
    expect(digest.equals(CID.parse(root).multihash.digest)).toBe(true);
  });

  it('gives the blocks of a tree one by one, each after one that links to it, as long as the tree is shown', async () => {
    const { own, root } = await trees();
    let isShown = true;
    const server = await serve(publicTrees(own, (tree) => isShown && tree === root));
    const get = async (cid: string) => {
      const { status, body } = await bytesOf(server.port, `/ipfs/${cid}?format=raw`);
      return status === 200 ? body : undefined;
    };
    const linksIn = (cid: string, bytes: Uint8Array) => own.blocks.links(CID.parse(cid), bytes).map(String);
    const top = await own.blocks.read(CID.parse(root));
    const [below = ''] = linksIn(root, top);
    // Its place in a tree is not known.
    expect(await get(below)).toBeUndefined();
    const found = new Set<string>();
    for (const next = [root]; next.length > 0; ) {
      const cid = String(next.pop());
      const bytes = await get(cid);
      if (bytes === undefined || found.has(cid)) continue;
      found.add(cid);
      next.push(...linksIn(cid, bytes));
    }
    const all = new Set<string>();
    for await (const { cid } of own.list(root)) all.add(cid);
    expect([...all].filter((cid) => !found.has(cid))).toEqual([]);
    isShown = false;
    expect([await get(root), await get(below)]).toEqual([undefined, undefined]);
  });

  /** Blocks that each link to `width` others, five levels of them, of a tree that is shown; and those of a walk that are not sent. */
  function wide(width: number) {
    const links = (path: string) =>
      path.split('/').length > 5 ? [] : Array.from({ length: width }, (_, n) => `${path}/${n}`);
    const blocks = {
      parse: (text: string) => text,
      touch: () => 1,
      read: async () => new Uint8Array(1),
      links,
    };
    const shown = publicTrees({ blocks } as never, (root) => !root.includes('/'));
    const lost = async (path: string): Promise<string[]> => {
      if ((await shown.block(path)) === undefined) return [path];
      const below: string[] = [];
      for (const link of links(path)) below.push(...(await lost(link)));
      return below;
    };
    return { shown, lost };
  }

  it('forgets links beyond a bound, of blocks to whose links nobody has come back', async () => {
    withLimits(artifactLimits, { linksSentMax: 16 });
    const { shown, lost } = wide(3);
    expect(await lost('a')).toEqual([]);
    await shown.block('b');
    expect(await shown.block('a/2')).toMatchObject({ root: 'a' });
    for (const other of ['c', 'd', 'e', 'f', 'g']) await shown.block(other);
    expect(await shown.block('a/2')).toBeUndefined();
    expect(await shown.block('g/2')).toMatchObject({ root: 'g' });
    withLimits(artifactLimits, { linksSentMax: 2 });
    await shown.block('h');
    expect(await shown.block('h/2')).toBeUndefined();
  });

  it('and it costs no more to forget them than to have them', async () => {
    withLimits(artifactLimits, { linksSentMax: 32_768 });
    const { shown } = wide(4096);
    const msOf = async (from: number, to: number) => {
      const before = process.cpuUsage();
      for (let n = from; n < to; n++) await shown.block(`root ${n}`);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    };
    const first = await msOf(0, 8);
    const others = [await msOf(8, 16), await msOf(16, 24), await msOf(24, 32)];
    expect(Math.min(...others)).toBeLessThan(5 * first + 20);
  });

  it('is asked in vain for what is sealed, absent, or in another form', async () => {
    const { own, root, sealed } = await trees();
    const server = await serve(publicTrees(own, () => true));
    const absent = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';
    for (const target of [
      `/ipfs/${sealed}?format=car`,
      `/ipfs/${sealed}?format=raw`,
      `/ipfs/${absent}?format=car`,
      `/ipfs/${root}`,
      `/ipfs/${root}/small.txt?format=raw`,
      `/ipfs/${root}?format=tar`,
      `/ipfs/${root}?format=car&dag-scope=entity`,
      `/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG?format=car`,
    ]) {
      const got = await ask(server, target);
      expect([target, got.status, codeIn(got)]).toEqual([target, 404, 'HTTP_NOT_FOUND']);
    }
    const known = await ask(server, `/ipfs/${root}?format=car`, {
      headers: { 'if-none-match': `"${root}.trusted.car"` },
    });
    expect(known).toMatchObject({ status: 304, body: '' });
  });

  it('ends an answer that breaks off so that nobody takes it for whole', async () => {
    async function* broken() {
      yield new Uint8Array(1000);
      throw new Error('a block is gone');
    }
    const server = await serve({ tree: () => broken() });
    const path = `/ipfs/bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i?format=car`;
    await expect(bytesOf(server.port, path)).rejects.toThrow(/aborted|hang up|reset/);
  });

  it('sends so many trees at once and no more, and forgets clients that do not read', async () => {
    let read = 0;
    async function* endless() {
      for (;;) {
        read++;
        yield new Uint8Array(mib);
      }
    }
    const server = await serve({ tree: () => endless() }, 500);
    const path = `/ipfs/bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i?format=car`;
    const lazy: ReturnType<typeof raw>[] = [];
    // One that was cut off already is followed by another.
    const busy = await until('a tree refused', async () => {
      const reading = lazy.filter(({ socket }) => !socket.closed).length;
      for (let more = reading; more < 16; more++) {
        const client = raw(server, `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
        client.socket.pause();
        lazy.push(client);
      }
      if ((await ask(server, path, { method: 'HEAD' })).status !== 503) return false;
      // Where one was cut off since, the answer is a tree without an end.
      const answer = await ask(server, path).catch(() => undefined);
      return answer?.status === 503 && answer;
    });
    expect(codeIn(busy)).toBe('HTTP_BUSY');
    // The kernel's buffers for each, and the few pieces on their way.
    expect(read).toBeLessThan(lazy.length * 16);
    await until('a tree again', async () => (await ask(server, path, { method: 'HEAD' })).status === 200);
  });
});
