import { existsSync } from 'node:fs';
import { QuorateError } from '../../protocol/base/errors.ts';
import { openStore } from '../../store/index.ts';

/** Drops all pins of a tree in a store that no process uses. Returns their names. @throws STORE_IN_USE, STORE_NOT_PINNED, STORE_… */
export async function forgetTree(dir: string, root: string): Promise<string[]> {
  const notPinned = new QuorateError('STORE_NOT_PINNED', `${dir} keeps no tree ${root}`, {
    hint: 'In a project it is the store of the controller; --worker names that of the home folder.',
  });
  if (!existsSync(dir)) throw notPinned;
  const store = await openStore({ dir });
  try {
    const found = (await store.pins()).find((pin) => pin.root === root);
    if (found === undefined) throw notPinned;
    await store.unpin(root);
    return [...found.names];
  } finally {
    await store.close();
  }
}
