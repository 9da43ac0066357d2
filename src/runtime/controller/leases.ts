import { draftOf } from '../../core/controller/draft.ts';
import type { Reply } from '../../core/controller/events.ts';
import {
  addSignature,
  checkTime,
  idOf,
  openMessage,
  openStatement,
  signMessage,
  signStatement,
} from '../../core/documents/index.ts';
import { messageOf, QuorateError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import {
  addWitness,
  formatCheckpoint,
  openCheckpoint,
  signCheckpoint,
} from '../../core/transparency/index.ts';
import { type LeaseDown, type LeaseUp, leaseUpSchema } from '../../core/wire/messages.ts';
import { protocols } from '../../core/wire/protocols.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { errorMessage, MessageStream } from '../node/message-stream.ts';
import { Pace } from '../node/pace.ts';
import { assembleBundle } from './assemble.ts';
import type { ControllerContext } from './context.ts';

/** A standing claim may wait for a slot as long as its round lasts; the worker sends heartbeats meanwhile. */
const silenceMs = 120_000;
/** Heartbeats that come faster say nothing more. */
const beatMsMin = 1_000;

interface Stream {
  talk: MessageStream<LeaseDown, LeaseUp>;
  token: string;
  lease: string | undefined;
  /** Of the last heartbeat that counted. */
  beatAt: number;
}

/** The lease protocol: from claim to co-signature on one stream per lease. */
export class ControllerLeases {
  readonly #context: ControllerContext;
  readonly #streams = new Map<string, Stream>();
  readonly #pace = new Pace();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  serve(): void {
    this.#context.mesh.handle(
      protocols.lease,
      (channel) =>
        this.#session(new MessageStream<LeaseDown, LeaseUp>(channel, leaseUpSchema, 'a lease message')),
      {
        maxInboundStreams: 64,
        maxMessageBytes: limits.receiptBytesMax,
        maxSendBytes: limits.bundleBytesMax,
        perPeerPerMinute: 600,
      },
    );
  }

  reveal(lease: string): void {
    this.#streams.get(lease)?.talk.post({ kind: 'reveal' });
  }

  release(lease: string, code: string, message: string): void {
    this.#streams.get(lease)?.talk.post({ kind: 'release', code, message });
  }

  /** Shows the trusted worker the whole evidence, once its own receipt is in. */
  async cosign(run: string, lease: string): Promise<void> {
    const { machine, folder, tell } = this.#context;
    const draft = draftOf(machine.state, run);
    const stream = this.#streams.get(lease);
    if (draft === undefined || stream === undefined) return;
    try {
      await stream.talk.send({
        kind: 'cosign',
        bundle: await assembleBundle(draft, folder.project, folder.controller),
      });
    } catch (error) {
      tell('warn', 'cosign', `the trusted worker could not be asked: ${messageOf(error)}`, { run });
    }
  }

  async #session(talk: MessageStream<LeaseDown, LeaseUp>): Promise<void> {
    const { dispatch, replies } = this.#context;
    const stream: Stream = { talk, lease: undefined, token: '', beatAt: 0 };
    stream.token = replies.open((reply) => this.#answer(stream, reply));
    try {
      for (;;) {
        const message = await talk.receive({ timeoutMs: silenceMs });
        if (message === undefined) break;
        await this.#message(stream, message);
        await this.#pace.wait(talk.peer, message.kind === 'receipt' ? message.envelope.length : 0);
      }
    } catch (error) {
      talk.post(errorMessage(error));
    } finally {
      replies.drop(stream.token);
      if (stream.lease !== undefined && this.#streams.get(stream.lease) === stream) {
        this.#streams.delete(stream.lease);
        dispatch({ kind: 'detached', worker: talk.peer, lease: stream.lease });
      }
      await talk.close();
    }
  }

  async #message(stream: Stream, message: LeaseUp): Promise<void> {
    const { dispatch, folder } = this.#context;
    const { talk, token } = stream;
    switch (message.kind) {
      case 'claim': {
        const claim = await openMessage('claim', message.claim, joseVerifier);
        const grant = await openMessage('grant', message.grant, joseVerifier);
        if (claim.signer !== talk.peer)
          throw new QuorateError('CLAIM_SENDER_MISMATCH', 'a claim is sent by who signed it');
        if (claim.payload.aud !== folder.controller.id)
          throw new QuorateError('CLAIM_AUDIENCE_MISMATCH', 'the claim is for another controller');
        checkTime(claim.payload, Date.now(), 'the claim');
        dispatch({ kind: 'claim', token, claim, grant });
        return;
      }
      case 'resume': {
        const lease = await openMessage('lease', message.lease, joseVerifier);
        if (lease.signer !== folder.controller.id)
          throw new QuorateError('LEASE_ISSUER_MISMATCH', 'the lease is not from this controller');
        dispatch({ kind: 'resume', token, lease, worker: talk.peer });
        return;
      }
      case 'heartbeat':
        if (stream.lease === undefined || Date.now() - stream.beatAt < beatMsMin) return;
        stream.beatAt = Date.now();
        dispatch({ kind: 'heartbeat', worker: talk.peer, lease: stream.lease });
        return;
      case 'receipt': {
        const receipt = await openStatement('receipt', message.envelope, joseVerifier);
        dispatch({ kind: 'receipt', token, lease: receipt.payload.predicate.quorate_receipt.lease, receipt });
        return;
      }
      case 'cosigned':
        return this.#cosigned(stream, message.signature, message.witness);
      case 'cosign-refused': {
        const run = this.#runOf(stream);
        if (run !== undefined)
          dispatch({
            kind: 'cosign-refused',
            run,
            worker: talk.peer,
            code: message.code,
            message: message.message,
          });
        return;
      }
    }
  }

  #runOf(stream: Stream): string | undefined {
    return this.#context.machine.state.leases.get(stream.lease ?? '');
  }

  /** The machine takes only a co-signature that holds. */
  async #cosigned({ talk, lease }: Stream, signature: string, witness: string): Promise<void> {
    const { machine, dispatch, folder } = this.#context;
    const run = machine.state.leases.get(lease ?? '');
    const draft = run === undefined ? undefined : draftOf(machine.state, run);
    if (run === undefined || draft === undefined)
      throw new QuorateError('COSIGN_NOT_ASKED', 'no co-signature was asked for');
    const { signer } = folder.controller;
    const verdict = await signStatement('verdict', draft.verdict, signer);
    await openStatement('verdict', addSignature(verdict.raw, talk.peer, signature), joseVerifier);
    const note = await signCheckpoint(
      formatCheckpoint({ project: folder.project, ...draft.checkpoint }),
      signer,
    );
    const log = machine.state.charter?.payload.log ?? folder.controller.id;
    const checkpoint = await openCheckpoint(
      addWitness(note, witness),
      { project: folder.project, log },
      joseVerifier,
    );
    if (!checkpoint.witnesses.some(({ witness: key }) => key === talk.peer)) {
      throw new QuorateError('COSIGN_NO_WITNESS', 'the co-signature lacks the witness line of its signer');
    }
    dispatch({ kind: 'cosigned', run, worker: talk.peer, signature, witness });
  }

  #answer(stream: Stream, reply: Reply): void {
    const { talk } = stream;
    const { signer } = this.#context.folder.controller;
    switch (reply.kind) {
      case 'lease': {
        stream.lease = idOf(reply.lease);
        this.#streams.set(stream.lease, stream);
        talk.post(
          signMessage('lease', reply.lease, signer).then(({ raw }) => ({ kind: 'lease', lease: raw })),
        );
        return;
      }
      case 'ack':
        talk.post(signMessage('ack', reply.ack, signer).then(({ raw }) => ({ kind: 'ack', ack: raw })));
        return;
      case 'standby':
      case 'reserve':
        talk.post(reply);
        return;
      case 'error':
        talk.post(reply);
        return;
      case 'accepted':
      case 'grant':
      case 'cancelled':
        return;
    }
  }
}
