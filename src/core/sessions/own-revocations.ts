import type { RevocationTarget, Verifier } from '../documents/index.ts';
import { limits } from '../limits.ts';
import { revokedByLeaf } from '../trust/index.ts';
import type { ApiDown, ApiUp } from '../wire/messages.ts';
import type { Dial, PeerAddress } from './ports.ts';
import { RevocationBook } from './revocation-book.ts';
import { requestLeaves, requestRevocations } from './revocation-exchange.ts';

/** A revocation that a key signed, for people. */
export interface OwnRevocation {
  id: string;
  what: RevocationTarget;
  since: number;
  reason: string;
  /** Its leaf in the log; null where it has none. */
  leaf: number | null;
}

export interface Asked {
  dial: Dial;
  controller: PeerAddress;
  project: string;
  verifier: Verifier;
  ask(question: ApiUp): Promise<ApiDown>;
}

/** The revocations that count and that a key signed, with their leaves, as the controller shows them. Errors: `CONTROLLER_…`, `MESH_…`. */
export async function revocationsBy(asked: Asked, key: string): Promise<OwnRevocation[]> {
  const own = (await bookOf(asked)).signedBy(key);
  const places = own.length === 0 ? new Map<string, number>() : await leavesOf(asked);
  return own.map(({ id, payload: { what, since, reason } }) => ({
    ...{ id, what, since, reason },
    leaf: places.get(id) ?? null,
  }));
}

/** Those that count. */
async function bookOf({ dial, controller, project, verifier }: Asked): Promise<RevocationBook> {
  const book = await RevocationBook.open(project, verifier);
  await requestRevocations(dial, controller, (page) => book.learn(page));
  return book;
}

/** Ids in leaves of revocations from an index on, or of these, for which the controller shows none and that the root did not void. Errors: as above. */
export async function unshownLeaves(asked: Asked, which: number | readonly string[]): Promise<string[]> {
  const book = await bookOf(asked);
  const unshown = (ids: readonly string[]) => [...new Set(ids)].filter((id) => !book.has(id));
  const wanted = unshown(
    typeof which === 'number'
      ? [...(await leavesOf(asked))].flatMap(([id, index]) => (index >= which ? [id] : []))
      : which,
  );
  await requestLeaves(asked.dial, asked.controller, book, wanted);
  return unshown(wanted);
}

/** Index in the log of each revocation, by id. */
async function leavesOf({ ask }: Pick<Asked, 'ask'>): Promise<Map<string, number>> {
  const places = new Map<string, number>();
  for (let from = 0; ; from += limits.leavesPerMessageMax) {
    const answer = await ask({ kind: 'log', from });
    if (answer.kind !== 'leaves' || answer.leaves.length === 0) return places;
    for (const [at, leaf] of answer.leaves.entries()) {
      const id = revokedByLeaf(leaf);
      if (id !== undefined) places.set(id, answer.from + at);
    }
    if (answer.from + answer.leaves.length >= answer.size) return places;
  }
}
