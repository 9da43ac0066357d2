import { existsSync } from 'node:fs';
import { codeOf } from '../../protocol/base/errors.ts';
import { openStore, type Store } from '../../store/index.ts';

/** Opens a local store; undefined if there is none, or if it is in use: the process that uses it serves it to peers. */
export async function openIdleStore(dir: string): Promise<Store | undefined> {
  if (!existsSync(dir)) return undefined;
  try {
    return await openStore({ dir });
  } catch (error) {
    if (codeOf(error) === 'STORE_IN_USE') return undefined;
    throw error;
  }
}
