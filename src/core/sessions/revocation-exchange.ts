import type { z } from 'zod';
import { QuorateError } from '../errors.ts';
import type { RevocationList } from '../judge/index.ts';
import { limits } from '../limits.ts';
import { servedBounds } from '../wire/bounds.ts';
import { revocationsDownSchema, revocationsUpSchema } from '../wire/messages.ts';
import { protocols } from '../wire/protocols.ts';
import { errorFrom, errorMessage, MessageStream } from './message-stream.ts';
import type { Channel, Dial, PeerAddress, ServedProtocol } from './ports.ts';

type Up = z.infer<typeof revocationsUpSchema>;
type Down = z.infer<typeof revocationsDownSchema>;

const questionMsMax = 10_000;
const openMsMax = 10_000;
const answerMsMax = 20_000;

/** What a node tells everybody: it is public, and proves itself. */
export interface Known {
  list(): RevocationList;
  /** The newest checkpoint; undefined before the first one. */
  checkpoint(): string | undefined;
}

/** Tells everybody the revocations and the checkpoint that are known here. */
export function revocationServer(known: Known): ServedProtocol {
  return {
    protocol: protocols.revocations,
    options: { ...servedBounds('revocations'), maxSendBytes: limits.receiptBytesMax },
    async session(channel: Channel) {
      const stream = new MessageStream<Down, Up>(channel, revocationsUpSchema, 'a question for revocations');
      try {
        const asked = await stream.receive({ timeoutMs: questionMsMax });
        if (asked === undefined) return;
        if (asked.kind === 'checkpoint')
          await stream.send({
            kind: 'checkpoint',
            note: known.checkpoint() ?? null,
            equivocations: [...(known.list().equivocations ?? [])],
          });
        else {
          const { charters, revocations, equivocations } = known.list();
          await stream.send({
            kind: 'revocations',
            charters: [...charters],
            revocations: [...revocations],
            ...(equivocations !== undefined && { equivocations: [...equivocations] }),
          });
        }
      } catch (error) {
        await stream.send(errorMessage(error)).catch(() => {});
      }
      await stream.close();
    },
  };
}

/** Asks one peer. What it answers proves itself; what it leaves out nobody can tell. Errors: `MESH_…`, `WIRE_INVALID`, `CONTROLLER_SILENT`. */
export async function requestRevocations(dial: Dial, peer: PeerAddress): Promise<RevocationList> {
  const answer = await request(dial, peer, { kind: 'ask' });
  if (answer.kind !== 'revocations') throw unexpected(answer.kind);
  return answer;
}

/** Asks one peer for the newest checkpoint that it checked, and its evidence against the log. Errors: as above. */
export async function requestCheckpoint(
  dial: Dial,
  peer: PeerAddress,
): Promise<{ note: string | null; equivocations: readonly string[] }> {
  const answer = await request(dial, peer, { kind: 'checkpoint' });
  if (answer.kind !== 'checkpoint') throw unexpected(answer.kind);
  return answer;
}

const unexpected = (kind: string): QuorateError =>
  new QuorateError('WIRE_INVALID', `the peer answered something else than was asked: ${kind}`);

async function request(
  dial: Dial,
  peer: PeerAddress,
  question: Up,
): Promise<Exclude<Down, { kind: 'error' }>> {
  const channel = await dial(peer, protocols.revocations, {
    timeoutMs: openMsMax,
    maxMessageBytes: limits.receiptBytesMax,
  });
  const stream = new MessageStream<Up, Down>(channel, revocationsDownSchema, 'an answer about revocations');
  try {
    await stream.send(question);
    const answer = await stream.receive({ timeoutMs: answerMsMax });
    if (answer === undefined)
      throw new QuorateError('CONTROLLER_SILENT', 'the peer closed the stream without an answer');
    if (answer.kind === 'error') throw errorFrom(answer);
    return answer;
  } finally {
    await stream.close();
  }
}
