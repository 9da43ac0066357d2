import type { z } from 'zod';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { MessageStream } from '../../protocol/sessions/message-stream.ts';
import type { Clock, PeerAddress } from '../../protocol/sessions/ports.ts';
import { wireLimits } from '../../protocol/wire/limits.ts';
import { type PinUp, pinDownSchema } from '../../protocol/wire/messages.ts';
import { protocols } from '../../protocol/wire/protocols.ts';
import type { ControllerEffect } from '../machine/events.ts';
import type { Fault } from '../machine/facts.ts';
import type { ControllerPorts, StorePorts } from './ports.ts';

type Down = z.infer<typeof pinDownSchema>;
type Pin = Extract<ControllerEffect, { kind: 'pin' }>;

const answerBytesMax = 8 * 1024;

/** Has stores keep what was agreed on, and tells the machine which of them do. */
export class StorePins {
  readonly #ports: Pick<ControllerPorts, 'dispatch' | 'clock' | 'tell'>;
  readonly #stores: StorePorts;

  constructor(ports: Pick<ControllerPorts, 'dispatch' | 'clock' | 'tell'>, stores: StorePorts) {
    this.#ports = ports;
    this.#stores = stores;
  }

  /** Asks each store of the effect; each answer is an event. */
  ask(effect: Pin): void {
    for (const store of effect.stores ?? []) void this.#ask(store, effect);
  }

  async #ask(store: string, effect: Pin): Promise<void> {
    const { dispatch, clock, tell } = this.#ports;
    const { run, artifact } = effect;
    const about = { kind: 'pinned' as const, run, artifact, store };
    try {
      await this.#kept(this.#stores.addressOf(store), effect);
      if (!clock.closing) await dispatch({ ...about, ok: true, detail: '' });
    } catch (error) {
      if (clock.closing) return;
      const [detail, fault] = [`${store}: ${messageOf(error)}`, faultOf(error)];
      if (fault === 'store') tell('warn', 'store', `the artifact store ${detail}`, { store, run });
      await dispatch({ ...about, ok: false, detail, fault });
    }
  }

  async #kept(store: PeerAddress, { run, artifact, from }: Pin): Promise<void> {
    const { dial, findPeer, boundOf, probe } = this.#stores;
    const peers = await Promise.all(from.slice(0, wireLimits.pinFromMax).map(findPeer));
    const channel = await dial(store, protocols.pin, {
      timeoutMs: sessionTimes.openMs,
      maxMessageBytes: answerBytesMax,
    });
    const stream = new MessageStream<PinUp, Down>(channel, pinDownSchema, 'an answer of an artifact store');
    try {
      await stream.send({
        kind: 'pin',
        run,
        tree: artifact,
        maxBytes: boundOf(run, artifact),
        from: peers.map(({ id, addrs }) => ({ id, addrs: addrs.slice(0, wireLimits.pinAddrsMax) })),
      });
      await pinnedOn(stream, artifact, this.#ports.clock);
    } finally {
      await stream.close();
    }
    await probe(store, artifact);
  }
}

/** @throws `STORE_SILENT`, and the error that the store answers with. */
async function pinnedOn(
  stream: MessageStream<PinUp, Down>,
  artifact: string,
  clock: Pick<Clock, 'monotonic'>,
): Promise<void> {
  const until = clock.monotonic() + sessionTimes.pinAttemptMs;
  for (;;) {
    const left = Math.max(1, until - clock.monotonic());
    const answer = await stream.receive({ timeoutMs: Math.min(sessionTimes.pinSilenceMs, left) });
    if (answer === undefined) throw silent('the store closed the stream without an answer');
    if (answer.kind === 'error') throw new RefusedByStore(answer.code, answer.message);
    if (answer.kind === 'pinned') {
      if (answer.tree === artifact) return;
      throw silent('the store answered about another tree than was asked for');
    }
    if (clock.monotonic() >= until) throw silent(`it took longer than ${sessionTimes.pinAttemptMs / 1000} s`);
  }
}

const silent = (says: string): QuorateError =>
  new QuorateError('STORE_SILENT', says, { hint: 'It is asked again. Look at the store.' });

class RefusedByStore extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** `signers` where a store could not get the tree from the workers; any other failure, and what it claims but does not serve, is its own. */
function faultOf(error: unknown): Fault {
  if (!(error instanceof RefusedByStore)) return 'store';
  const ofTree = error.code.startsWith('TRANSFER_') || error.code.startsWith('STORE_TREE_');
  return ofTree || error.code.startsWith('STORE_PULL_') ? 'signers' : 'store';
}
