import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Charter, RevocationTarget, Verifier } from '../documents/index.ts';
import { type Checkpoint, openCheckpoint, openNamedWitnesses } from '../transparency/index.ts';
import { LogView, revokedByLeaf } from '../trust/index.ts';
import { everyLeaf, trustedAmong } from '../trust/revocations.ts';
import type { ApiDown, ApiUp } from '../wire/messages.ts';
import { sessionLimits } from './limits.ts';
import { checkLogSize } from './log-copy.ts';
import type { Dial, PeerAddress } from './ports.ts';
import { RevocationBook } from './revocation-book.ts';
import { requestLeaves, requestRevocations } from './revocation-exchange.ts';
import { expected, unexpected } from './run-source.ts';

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
  charter: Charter;
  /** Id of the key or operator that is to be revoked: a line of this key counts for nothing. */
  target: string;
  /** Milliseconds since the epoch. */
  now(): number;
}

/**
 * The size of the log as a trusted worker or witness signed it lately; where the charter names none, as the controller says.
 * @throws {QuorateError} `CHECKPOINT_…`, `CONTROLLER_…`, `MESH_…`
 */
export async function presentSize(asked: Asked): Promise<number> {
  const checkpoint = await signedLately(asked, await bookOf(asked));
  return checkpoint?.size ?? saidSize(asked);
}

/**
 * Counting revocations by a key with their leaves, complete up to leaf `before`. `mayRevoke`: it is or was an identity provider's.
 * @throws {QuorateError} those of `presentSize`, `LOG_…`, `REVOCATION_WITHHELD`
 */
export async function revocationsBy(
  asked: Asked,
  key: string,
  { mayRevoke, before }: { mayRevoke: boolean; before: number },
): Promise<OwnRevocation[]> {
  const book = await bookOf(asked);
  if (!mayRevoke && book.signedBy(key).length === 0) return [];
  const places = placesIn(await completeLeaves(asked, book, before));
  return book.signedBy(key).map(({ id, payload: { what, since, reason } }) => ({
    id,
    what,
    since,
    reason,
    leaf: places.get(id) ?? null,
  }));
}

/** Those that count. */
async function bookOf({ dial, controller, project, verifier }: Asked): Promise<RevocationBook> {
  const book = await RevocationBook.open(project, verifier);
  await requestRevocations(dial, controller, (page) => book.learn(page));
  return book;
}

/** Ids in leaves of revocations from an index on, or of these, for which the controller shows none and that the root did not void. @throws as above. */
export async function unshownLeaves(asked: Asked, which: number | readonly string[]): Promise<string[]> {
  const book = await bookOf(asked);
  const unshown = (ids: readonly string[]) => [...new Set(ids)].filter((id) => !book.has(id));
  const wanted = unshown(
    typeof which === 'number'
      ? [...placesIn(await leavesOf(asked, await saidSize(asked)))].flatMap(([id, index]) =>
          index >= which ? [id] : [],
        )
      : which,
  );
  await requestLeaves(asked.dial, asked.controller, book, wanted);
  return unshown(wanted);
}

/** Undefined where the charter names nobody who could sign the log beside its key. @throws `CHECKPOINT_…`, those of `ask`. */
async function signedLately(
  { ask, charter, target, project, verifier, now }: Asked,
  book: RevocationBook,
): Promise<Checkpoint | undefined> {
  const { revoked } = book;
  const others = charter.trusted.filter((id) => id !== target);
  const trusted = trustedAmong(others, charter, revoked, everyLeaf);
  const keys = charter.witnesses?.keys ?? [];
  if (trusted.length + keys.length === 0) return undefined;
  const answer = expected('checkpoint', await ask({ kind: 'checkpoint', old: 0 }));
  const checkpoint = await openCheckpoint(answer.note, { project, log: charter.log }, verifier);
  const named = await openNamedWitnesses(answer.note, keys, verifier);
  const lines = [...checkpoint.witnesses.filter(({ witness }) => trusted.includes(witness)), ...named];
  const at = now() / 1000;
  const { ownerLineSecondsMax } = sessionLimits;
  const isRecent = ({ time }: { time: number }) =>
    time >= at - ownerLineSecondsMax && time <= at + limits.clockSkewSeconds;
  if (!lines.some(isRecent))
    throw new QuorateError(
      'CHECKPOINT_STALE',
      `the controller says that the log has ${checkpoint.size} leaves; no trusted worker or witness of the charter signed that in the last ${ownerLineSecondsMax} s`,
    );
  return checkpoint;
}

async function saidSize({ ask }: Asked): Promise<number> {
  return expected('leaves', await ask({ kind: 'log', from: Number.MAX_SAFE_INTEGER })).size;
}

/** The leaves of the log; each revocation before this index is known then. */
async function completeLeaves(asked: Asked, book: RevocationBook, before: number): Promise<string[]> {
  const { dial, controller } = asked;
  const checkpoint = await signedLately(asked, book);
  const leaves = await leavesOf(asked, checkpoint?.size ?? (await saidSize(asked)));
  if (checkpoint === undefined) return leaves;
  const log = LogView.of(leaves);
  if (log.size !== checkpoint.size || log.root() !== checkpoint.root)
    throw new QuorateError('LOG_LEAVES_MISMATCH', 'the leaves are not those the checkpoint is over');
  const withheld = () => log.under(before).withheld((id) => book.has(id));
  // Of keys that the root has revoked since: nobody is told of these any more.
  if (withheld().length > 0) await requestLeaves(dial, controller, book, withheld());
  const [id] = withheld();
  if (id !== undefined)
    throw new QuorateError(
      'REVOCATION_WITHHELD',
      `the log holds the revocation ${id}, and the controller does not show it`,
      { hint: 'Say which revocations by that key stay: --keep <id>, or --keep none.' },
    );
  return leaves;
}

async function leavesOf({ ask }: Asked, size: number): Promise<string[]> {
  checkLogSize(size);
  const leaves: string[] = [];
  while (leaves.length < size) {
    const from = leaves.length;
    const answer = await ask({ kind: 'log', from });
    if (answer.kind !== 'leaves' || answer.from !== from) throw unexpected('leaves', answer);
    if (answer.leaves.length === 0)
      throw new QuorateError('LOG_UNREADABLE', `the log ends at ${from} leaves; it was said to have ${size}`);
    leaves.push(...answer.leaves.slice(0, size - from));
  }
  return leaves;
}

/** Index in the log of each revocation, by id: the first one. Whoever has the log's key may log it again. */
function placesIn(leaves: readonly string[]): Map<string, number> {
  const places = new Map<string, number>();
  for (const [index, leaf] of leaves.entries()) {
    const id = revokedByLeaf(leaf);
    if (id !== undefined && !places.has(id)) places.set(id, index);
  }
  return places;
}
