import type { Mesh } from '../../mesh/index.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import type { PinsIncomplete, Store } from '../../store/index.ts';
import type { Tell } from '../node-events.ts';
import { artifactLimits } from './limits.ts';
import { pullArtifact } from './transfer.ts';

interface Repairing {
  mesh: Mesh;
  store: Store;
  tell: Tell;
  /** PeerIds that had a tree, besides those that announce it. */
  holders(root: string): readonly string[];
}

/** Fetches pinned trees that are not whole from whoever has them. */
export async function repairTrees(
  { mesh, store, tell, holders }: Repairing,
  { roots, absent }: Pick<PinsIncomplete, 'roots' | 'absent'>,
  stop: AbortSignal,
): Promise<void> {
  for (const root of roots) {
    const names = (await store.pins()).find((pin) => pin.root === root)?.names ?? [];
    const signal = AbortSignal.any([stop, AbortSignal.timeout(artifactLimits.repairSeconds * 1000)]);
    try {
      const from = new Set(holders(root));
      for await (const { id } of mesh.findProviders(root, { signal, max: artifactLimits.repairPeersMax }))
        from.add(id);
      await pullArtifact({ mesh, store }, root, { from: [...from], signal });
      const was = absent.has(root) ? 'was not here' : 'was damaged';
      tell('info', 'repaired', `${root} ${was} and is whole again`, { root });
    } catch (error) {
      stop.throwIfAborted();
      const why = messageOf(error);
      const [level, kind, is] = absent.has(root)
        ? (['info', 'absent', 'is not here and could not be fetched yet'] as const)
        : (['warn', 'damaged', 'is damaged and could not be fetched again'] as const);
      const says = `${root} (kept as ${names.join(', ')}) ${is}: ${why}. Until it is whole nothing is removed from the store; to give it up, stop this node, then: quorate store forget ${root}`;
      tell(level, kind, says, { root, names: [...names], command: `quorate store forget ${root}` });
    }
  }
}
