import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { expect, it } from 'vitest';
import { store as newStore } from './support.ts';

/** A small file, a large one in pieces that have memory of their own, as a pipe gives them, and a small one after it. */
async function archive() {
  const pieces = [700_000, 65_536, 65_536, 4_096, 1_000_000, 300].map(
    (size) => new Uint8Array(randomBytes(size)),
  );
  const large = Buffer.concat(pieces);
  const tar = pack();
  tar.entry({ name: 'a' }, 'small');
  const entry = tar.entry({ name: 'large', size: large.length });
  for (const piece of pieces) entry.write(piece);
  entry.end(undefined);
  tar.entry({ name: 'z' }, 'after it');
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(new Uint8Array(chunk));
  return { large, chunks };
}

it('an archive whose chunks are taken over is the same tree, and they are given up', async () => {
  const { large, chunks } = await archive();
  const store = await newStore();
  const copy = chunks.map((chunk) => chunk.slice());
  const kept = await store.importTar(Readable.from(copy), { into: store.public });
  expect(copy.map(({ length }) => length)).toEqual(chunks.map(({ length }) => length));
  const into = store.sealed('outputs');
  const owned = await store.importTar(Readable.from(chunks), { into, ownsChunks: true });
  expect(owned).toEqual(kept);
  expect(chunks.filter(({ length }) => length === 0).length).toBeGreaterThan(3);
  const file = await store.resolve(owned.root, 'large', { from: into });
  const bytes = await store.readBytes(file?.cid ?? '', { maxBytes: 10_000_000, from: into });
  expect(Buffer.compare(bytes, large)).toBe(0);
});

it('a tree that is brought from another store leaves the blocks of that store alone', async () => {
  const { large, chunks } = await archive();
  const [from, to] = [await newStore(), await newStore()];
  const { root } = await from.importTar(Readable.from(chunks), { into: from.public });
  const brought = await to.importTar(from.exportTar(root), { into: to.public });
  expect(brought.root).toBe(root);
  const file = await from.resolve(root, 'large');
  expect(Buffer.compare(await from.readBytes(file?.cid ?? '', { maxBytes: 10_000_000 }), large)).toBe(0);
});
