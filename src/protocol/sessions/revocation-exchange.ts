import type { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { meteredBounds } from '../wire/bounds.ts';
import { wireLimits } from '../wire/limits.ts';
import { revocationsDownSchema, revocationsUpSchema } from '../wire/messages.ts';
import { protocols } from '../wire/protocols.ts';
import { sessionTimes } from './limits.ts';
import { answering, errorFrom, MessageStream } from './message-stream.ts';
import type { Channel, Dial, PeerAddress, ServedProtocol } from './ports.ts';
import type { Learned, RevocationBook, RevocationPage } from './revocation-book.ts';

type Up = z.infer<typeof revocationsUpSchema>;
type Down = z.infer<typeof revocationsDownSchema>;

/** Where a leaf names a revocation that nobody shows. */
export const withheldHint =
  'Ask the owner of the project. An owner who signed no such revocation ends the key that wrote the leaf: quorate revoke <key> --since <index> --void-leaf <id>';

/** Documents that a node shows to everybody: they are public, and prove themselves. */
export interface Known {
  /** One message of revocations: those after the id `after`, or the first ones. */
  page(after?: string): RevocationPage;
  /** Revocations with these ids, also where they count no more; absent where only counting ones are kept. */
  find?(ids: ReadonlySet<string>): RevocationPage;
  /** Evidence that a log of the project tells two stories. */
  evidence(): readonly string[];
  /** The newest checkpoint; undefined before the first one. */
  checkpoint(): string | undefined;
  /** Of a worker: what a controller of its project asks for at a start. */
  atStart?: HeldOfLog;
}

/** A lease under a controller's key, compact JWS, with its ack and its offer where they are known. */
export interface HeldLease {
  lease: string;
  ack?: string | undefined;
  offer?: string | undefined;
}

/** Holdings of a member about the log of a controller, for that controller. */
export interface HeldOfLog {
  isController(peer: string): boolean;
  /** The charter as compact JWS. */
  held(): { charter: string; leases: HeldLease[] };
  /** Leaves that it kept, from an index on, as many as one message takes; none of who keeps none. */
  leaves(from: number): Promise<readonly string[]>;
}

export const knownIn = (book: RevocationBook): Pick<Known, 'page' | 'evidence'> => ({
  page: (after) => book.page(after),
  evidence: () => book.evidence(),
});

/** Tells everybody the revocations and the checkpoint that are known here. */
export function revocationServer(known: Known): ServedProtocol {
  return {
    protocol: protocols.revocations,
    options: { ...meteredBounds('revocations'), maxSendBytes: limits.receiptBytesMax },
    async session(channel: Channel) {
      const stream = new MessageStream<Down, Up>(channel, revocationsUpSchema, 'a question for revocations');
      return answering(stream, async () => {
        for (let pages = 0; pages < limits.revocationPagesMax; pages++) {
          const asked = await stream.receive({ timeoutMs: sessionTimes.questionMs });
          if (asked === undefined) break;
          const isOfStart = asked.kind === 'held' || asked.kind === 'leaves';
          await stream.send(
            isOfStart ? await answerAtStart(known, asked, channel.peer) : answerTo(known, asked),
          );
        }
      });
    },
  };
}

type StartUp = Extract<Up, { kind: 'held' | 'leaves' }>;

async function answerAtStart({ atStart }: Known, asked: StartUp, peer: string): Promise<Down> {
  if (atStart?.isController(peer) !== true)
    throw new QuorateError('WIRE_INVALID', 'only a controller of the project asks a worker for this');
  return asked.kind === 'held'
    ? { kind: 'held', ...atStart.held() }
    : { kind: 'leaves', leaves: [...(await atStart.leaves(asked.from))] };
}

function answerTo(known: Known, asked: Exclude<Up, StartUp>): Down {
  const equivocations = [...known.evidence()];
  if (asked.kind === 'checkpoint')
    return { kind: 'checkpoint', note: known.checkpoint() ?? null, equivocations };
  const { ids, after } = asked;
  const page = ids === undefined ? known.page(after) : (known.find?.(new Set(ids)) ?? known.page());
  const { charters, revocations, next } = page;
  return {
    kind: 'revocations',
    charters: [...charters],
    revocations: [...revocations],
    ...(equivocations.length > 0 && { equivocations }),
    ...(next !== undefined && { next }),
  };
}

/**
 * Asks one peer, message by message, and has each learned; stops at a peer that sends too much that does not hold. `ids`: these alone.
 * @throws {QuorateError} `MESH_…`, `WIRE_INVALID`, `CONTROLLER_SILENT`
 */
export async function requestRevocations(
  dial: Dial,
  peer: PeerAddress,
  learn: (page: RevocationPage) => Promise<Learned>,
  ids?: readonly string[],
): Promise<void> {
  let refused = 0;
  await asking(dial, peer, async (question) => {
    let after: string | undefined;
    for (let pages = 0; pages < limits.revocationPagesMax; pages++) {
      const wanted = ids !== undefined ? { ids: [...ids] } : after !== undefined ? { after } : {};
      const answer = await question({ kind: 'ask', ...wanted }, 'revocations');
      refused += (await learn(answer)).refused.length;
      after = answer.next;
      if (after === undefined || ids !== undefined || refused > limits.revocationsMax) return;
    }
  });
}

/** Asks one peer for revocations in the log by their ids: these are known then, even if they count no more. */
export async function requestLeaves(
  dial: Dial,
  peer: PeerAddress,
  book: RevocationBook,
  ids: readonly string[],
): Promise<void> {
  const leaves = new Set(ids);
  for (let from = 0; from < ids.length; from += wireLimits.revocationIdsMax) {
    const some = ids.slice(from, from + wireLimits.revocationIdsMax);
    await requestRevocations(dial, peer, (page) => book.learn(page, undefined, leaves), some);
  }
}

/** Asks one peer for the newest checkpoint that it checked, and its evidence against the log. @throws as above. */
export async function requestCheckpoint(
  dial: Dial,
  peer: PeerAddress,
): Promise<{ note: string | null; equivocations: readonly string[] }> {
  return asking(dial, peer, (question) => question({ kind: 'checkpoint' }, 'checkpoint'));
}

/** Asks a worker what it holds of this controller's log. @throws as above; `WIRE_INVALID` of a worker that does not know the question. */
export async function requestHeld(dial: Dial, peer: PeerAddress): Promise<ReturnType<HeldOfLog['held']>> {
  return asking(dial, peer, (question) => question({ kind: 'held' }, 'held'));
}

/** Asks a trusted worker for the leaves from `from` to `to` − 1 that it kept; returns as many as it has. */
export async function requestKeptLeaves(
  dial: Dial,
  peer: PeerAddress,
  { from, to }: { from: number; to: number },
): Promise<string[]> {
  const leaves: string[] = [];
  while (from + leaves.length < to) {
    const at = from + leaves.length;
    const { leaves: more } = await asking(dial, peer, (question) =>
      question({ kind: 'leaves', from: at }, 'leaves'),
    );
    leaves.push(...more.slice(0, to - from - leaves.length));
    // A member that has more fills a message: one leaf in each would last for days.
    if (more.length < limits.leavesPerMessageMax) break;
  }
  return leaves;
}

type Question = <K extends Down['kind']>(asked: Up, wanted: K) => Promise<Extract<Down, { kind: K }>>;

async function asking<T>(
  dial: Dial,
  peer: PeerAddress,
  work: (question: Question) => Promise<T>,
): Promise<T> {
  const channel = await dial(peer, protocols.revocations, {
    timeoutMs: sessionTimes.openMs,
    maxMessageBytes: limits.receiptBytesMax,
  });
  const stream = new MessageStream<Up, Down>(channel, revocationsDownSchema, 'an answer about revocations');
  try {
    return await work(async <K extends Down['kind']>(asked: Up, wanted: K) => {
      await stream.send(asked);
      const answer = await stream.receive({ timeoutMs: sessionTimes.answerMs });
      if (answer === undefined)
        throw new QuorateError('CONTROLLER_SILENT', 'the peer closed the stream without an answer');
      if (answer.kind === 'error') throw errorFrom(answer);
      if (answer.kind !== wanted)
        throw new QuorateError(
          'WIRE_INVALID',
          `the peer answered something else than was asked: ${answer.kind}`,
        );
      return answer as Extract<Down, { kind: K }>;
    });
  } finally {
    await stream.close();
  }
}
