import type { RevocationTarget, Verifier } from '../documents/index.ts';
import { limits } from '../limits.ts';
import type { ApiDown, ApiUp } from '../wire/messages.ts';
import type { Dial, PeerAddress } from './ports.ts';
import { RevocationBook } from './revocation-book.ts';
import { requestRevocations } from './revocation-exchange.ts';

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
  const { dial, controller, project, verifier } = asked;
  const book = await RevocationBook.open(project, verifier, {
    load: async () => undefined,
    save: async () => {},
  });
  await requestRevocations(dial, controller, (page) => book.learn(page));
  const own = book.signedBy(key);
  const places = own.length === 0 ? new Map<string, number>() : await leavesOf(asked);
  return own.map(({ id, payload: { what, since, reason } }) => ({
    ...{ id, what, since, reason },
    leaf: places.get(id) ?? null,
  }));
}

/** Where each revocation is in the log. */
async function leavesOf({ ask }: Pick<Asked, 'ask'>): Promise<Map<string, number>> {
  const places = new Map<string, number>();
  for (let from = 0; ; from += limits.leavesPerMessageMax) {
    const answer = await ask({ kind: 'log', from });
    if (answer.kind !== 'leaves' || answer.leaves.length === 0) return places;
    for (const [at, leaf] of answer.leaves.entries()) {
      const [kind, id = ''] = leaf.split(' ');
      if (kind === 'revocation') places.set(id, answer.from + at);
    }
    if (answer.from + answer.leaves.length >= answer.size) return places;
  }
}
