import { CID } from 'multiformats/cid';
import { onTestFinished } from 'vitest';
import type { Channel, Mesh } from '../../src/mesh/index.ts';
import { pullArtifact, serveArtifacts } from '../../src/node/artifacts/transfer.ts';
import { protocols } from '../../src/protocol/wire/protocols.ts';
import type { Store } from '../../src/store/index.ts';
import {
  encodeCar,
  type FetchOptions,
  type FetchResult,
  fetchTree,
  messageBytesMax,
  type Provider,
} from '../../src/transfer/index.ts';
import { noiseBytes, store, type TarEntry, tar } from '../store/support.ts';
import { loopbackMesh } from '../support/mesh.ts';

export async function node(): Promise<Mesh> {
  const mesh = await loopbackMesh();
  onTestFinished(() => mesh.close());
  return mesh;
}

/** A node with a store of its own, whose public area it serves. */
export async function serving(): Promise<{ mesh: Mesh; store: Store & { dir: string } }> {
  const ends = { mesh: await node(), store: await store() };
  serveArtifacts(ends);
  return ends;
}

/** A node that answers the protocol in a way of its own. */
export async function answering(handler: (channel: Channel) => Promise<void>): Promise<Mesh> {
  const mesh = await node();
  mesh.handle(protocols.car, handler, { maxInboundStreams: 8, maxMessageBytes: messageBytesMax });
  return mesh;
}

/** Somebody who wants trees. */
export class Receiver {
  readonly mesh: Mesh;
  readonly store: Store & { dir: string };
  /** Requests sent to each peer. */
  readonly asked: string[] = [];

  private constructor(mesh: Mesh, own: Store & { dir: string }) {
    this.mesh = mesh;
    this.store = own;
  }

  static async open(): Promise<Receiver> {
    return new Receiver(await node(), await store());
  }

  provider(from: Mesh): Provider {
    return {
      peer: from.id,
      open: async (signal) => {
        this.asked.push(from.id);
        const address = { id: from.id, addrs: from.addresses() };
        return this.mesh.open(address, protocols.car, { signal, maxMessageBytes: messageBytesMax });
      },
    };
  }

  fetch(root: string, from: readonly Mesh[], options: FetchOptions = {}): Promise<FetchResult> {
    const providers = from.map((mesh) => this.provider(mesh));
    const { blocks } = this.store;
    return blocks.during(() => fetchTree(CID.parse(root), blocks, providers, options));
  }

  pull(root: string, from: readonly string[]): Promise<{ bytes: number }> {
    return pullArtifact(this, root, { from, signal: AbortSignal.timeout(120_000) });
  }
}

export const small = (count: number, size = 500, seed = 1): TarEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `d${index % 20}/f${index}`,
    body: noiseBytes(size, index + seed),
  }));

export async function importInto(into: Store, entries: TarEntry[]): Promise<string> {
  return (await into.importTar(await tar(entries), { into: into.public })).root;
}

/** A tree's CAR in one piece, as an honest sender gives it. */
export async function carOf(from: Store, root: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeCar(from.blocks, [CID.parse(root)])) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** How an answer ends. */
export const ending = (body: unknown = { kind: 'end' }): Uint8Array[] => [
  new Uint8Array(),
  Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
];
