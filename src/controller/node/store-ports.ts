import { randomInt } from 'node:crypto';
import type { PeerAddress } from '../../mesh/index.ts';
import { connectReachable } from '../../node/artifacts/fetch.ts';
import { providersOf } from '../../node/artifacts/transfer.ts';
import { meshDial } from '../../node/ports.ts';
import { type BlockSink, fetchBlock } from '../../transfer/index.ts';
import type { StorePorts } from '../sessions/ports.ts';
import type { ControllerContext } from './context.ts';
import { boundOf } from './keep.ts';
import { controllerNodeLimits } from './limits.ts';

/** The artifact stores of a controller that keeps no bytes. */
export function storePorts(
  context: Pick<ControllerContext, 'mesh' | 'store' | 'machine' | 'closing'>,
  stores: readonly PeerAddress[],
): StorePorts {
  const { mesh, machine, closing } = context;
  return {
    dial: meshDial(mesh, closing),
    addressOf: (id) => stores.find((store) => store.id === id) ?? { id, addrs: [] },
    async findPeer(id) {
      const known = stores.find((store) => store.id === id);
      if (known !== undefined) return known;
      const signal = AbortSignal.any([closing, AbortSignal.timeout(controllerNodeLimits.findPeerMs)]);
      return { id, addrs: await mesh.findPeer(id, { signal }).catch(() => []) };
    },
    boundOf(run, artifact) {
      const of = machine.state.runs.get(run);
      return of === undefined ? 0 : boundOf(of, artifact);
    },
    probe: (store, artifact) => probe(context, store, artifact, closing),
  };
}

/** Fetches blocks of a tree from its root down, each drawn by chance, and keeps none. @throws `TRANSFER_…`, `MESH_…`, `STORE_…`. */
export async function probe(
  { mesh, store: { blocks } }: Pick<ControllerContext, 'mesh' | 'store'>,
  peer: PeerAddress,
  artifact: string,
  closing: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([closing, AbortSignal.timeout(controllerNodeLimits.probeMs)]);
  await connectReachable(mesh, [peer]);
  const providers = providersOf(mesh, [peer.id], signal);
  let cid = blocks.parse(artifact);
  for (let depth = 0; depth < controllerNodeLimits.probeBlocks; depth++) {
    let links: ReturnType<typeof blocks.links> = [];
    // No block counts as present: another store may have shown the same one.
    const sink: BlockSink = {
      touch: () => undefined,
      read: (of) => blocks.read(of),
      links: (of, bytes) => blocks.links(of, bytes),
      async put(of, bytes) {
        links = blocks.links(of, bytes);
      },
    };
    await fetchBlock(cid, sink, providers, { signal });
    const next = links.length === 0 ? undefined : links[randomInt(links.length)];
    if (next === undefined) return;
    cid = next;
  }
}
