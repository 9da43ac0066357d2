import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { belowText, leastWorkerOf } from '../../protocol/base/least-version.ts';
import { limits } from '../../protocol/base/limits.ts';
import { checkTime, idOf, type Messages, signMessage } from '../../protocol/documents/index.ts';
import { receiptBytesMaxOf } from '../../protocol/judge/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { errorMessage, MessageStream } from '../../protocol/sessions/message-stream.ts';
import type { Channel } from '../../protocol/sessions/ports.ts';
import type { SendRights } from '../../protocol/wire/bounds.ts';
import { type LeaseDown, type LeaseUp, leaseUpSchema } from '../../protocol/wire/messages.ts';
import type { Reply } from '../machine/events.ts';
import { draftOf } from '../machine/queries/draft.ts';
import { findLease } from '../machine/slots.ts';
import { askedToSign } from '../machine/verdicts/cosigning.ts';
import { assembleBundle } from './bundle.ts';
import { cosignatureFlaw } from './cosignature.ts';
import { warnOfExpired } from './grants.ts';
import { inputEvidenceOf, signerOf } from './own-evidence.ts';
import { type SharedPorts, servedProtocol } from './shared.ts';

/** Characters of the reason why a lease ended, in the history of its run. */
const failureCharsMax = 500;

interface HeldLease {
  id: string;
  run: string;
  /** Its receipt is recorded, and the ack was sent on this stream. */
  acked: boolean;
  /** It was revealed or released on this stream: the next claim may come. */
  over: boolean;
}

interface LeaseStream {
  messages: MessageStream<LeaseDown, LeaseUp>;
  token: string;
  lease: HeldLease | undefined;
  /** Monotonic time of the last heartbeat that counted. */
  heartbeatAt: number;
  failure: unknown;
}

/** The controller's side of the lease protocol: from claim to co-signature on one stream, and then the next claim. */
export class LeaseServer {
  readonly served = servedProtocol('lease', limits.bundleBytesMax, (channel) => this.#session(channel));
  readonly #ports: SharedPorts;
  readonly #streams = new Map<string, LeaseStream>();

  constructor(ports: SharedPorts) {
    this.#ports = ports;
  }

  reveal(lease: string): void {
    this.#end(lease, { kind: 'reveal' });
  }

  release(lease: string, code: string, message: string): void {
    this.#end(lease, { kind: 'release', code, message });
  }

  #end(lease: string, message: LeaseDown): void {
    const stream = this.#streams.get(lease);
    if (stream?.lease === undefined) return;
    stream.lease.over = true;
    stream.messages.post(message);
  }

  /** Shows the trusted worker the whole evidence. The machine asks for it once that worker's own receipt is in. */
  async cosign(run: string, lease: string): Promise<void> {
    const { machine, project, signing, tell, checkpoints } = this.#ports;
    const draft = draftOf(machine.state, run);
    const stream = this.#streams.get(lease);
    if (draft === undefined || stream === undefined) return;
    try {
      await checkpoints.keep(draft.checkpoint.size);
      const inputs = await inputEvidenceOf(this.#ports, draft.inputs);
      const bundle = await assembleBundle(draft, project, signing.signer, inputs);
      // Meanwhile the lease may be over, and the stream with the next one.
      if (stream.lease?.id !== lease || stream.lease.over) return;
      await stream.messages.send({ kind: 'cosign', bundle });
    } catch (error) {
      tell('warn', 'cosign', `the trusted worker could not be asked: ${messageOf(error)}`, { run });
    }
  }

  async #session(channel: Channel): Promise<void> {
    const { dispatch, clock } = this.#ports;
    const messages = new MessageStream<LeaseDown, LeaseUp>(channel, leaseUpSchema, 'a lease message');
    const stream: LeaseStream = {
      messages,
      lease: undefined,
      token: '',
      heartbeatAt: -sessionTimes.heartbeatMsMin,
      failure: undefined,
    };
    stream.token = this.#open(stream);
    try {
      for (;;) {
        const message = await this.#ports.admission.receive(messages, {
          protocol: 'lease',
          timeoutMs: sessionTimes.silenceMs,
          sendRights: () => this.#sendRights(stream),
          waiting: () => this.#heard(stream),
        });
        if (message === undefined) break;
        await this.#message(stream, message, clock.monotonic());
        if (stream.failure !== undefined) throw stream.failure;
      }
    } catch (error) {
      messages.post(errorMessage(error));
      // The worker's receipt is invalid, and it would send the same one on another stream.
      if (/^(DOC|RECEIPT|WIRE)_/.test(codeOf(error))) this.#failed(stream, errorMessage(error));
    } finally {
      this.#ports.replies.drop(stream.token);
      const lease = stream.lease?.id;
      if (lease !== undefined && this.#streams.get(lease) === stream) {
        this.#streams.delete(lease);
        void dispatch({ kind: 'detached', worker: messages.peer, lease });
      }
      await messages.close();
    }
  }

  async #message(stream: LeaseStream, message: LeaseUp, at: number): Promise<void> {
    const { dispatch, signing, clock, machine } = this.#ports;
    const { documents, signer } = signing;
    const { messages } = stream;
    if (message.kind === 'claim' || message.kind === 'resume') this.#renew(stream);
    const { token } = stream;
    switch (message.kind) {
      case 'claim': {
        const claim = await documents.message('claim', message.claim);
        const grant = await documents.message('grant', message.grant);
        if (claim.signer !== messages.peer)
          throw new QuorateError('CLAIM_SENDER_MISMATCH', 'a claim is sent by the key that signed it');
        if (claim.payload.aud !== signer.id)
          throw new QuorateError('CLAIM_AUDIENCE_MISMATCH', 'the claim is for another controller');
        checkTime(claim.payload, clock.now(), 'the claim');
        // An older worker may have the offer by HTTP, or from before this controller was updated.
        if (message.version === undefined) throw older('the worker states no version, and gets no job');
        const { offer, pass } = claim.payload;
        const below = belowText(message.version, leastWorkerOf(machine.state.charter?.payload));
        if (below !== undefined && pass === undefined) throw older(below);
        const claimed = dispatch({ kind: 'claim', token, claim, grant });
        if (pass !== undefined) void dispatch({ kind: 'passed', worker: messages.peer, offer, reason: pass });
        return claimed;
      }
      case 'resume': {
        const lease = await documents.message('lease', message.lease);
        if (![signer, ...this.#ports.retired].some(({ id }) => id === lease.signer))
          throw new QuorateError('LEASE_ISSUER_MISMATCH', 'the lease is not from this controller');
        return dispatch({ kind: 'resume', token, lease, worker: messages.peer });
      }
      case 'heartbeat':
        if (at - stream.heartbeatAt < sessionTimes.heartbeatMsMin) return;
        stream.heartbeatAt = at;
        return this.#heard(stream);
      case 'receipt':
        return this.#receipt(stream, message);
      case 'failed':
        return this.#failed(stream, message);
      case 'cosigned':
        return this.#cosigned(stream, message);
      case 'cosign-refused': {
        const { lease } = stream;
        const { kind: _, ...refusal } = message;
        if (lease !== undefined)
          await dispatch({ kind: 'cosign-refused', run: lease.run, worker: messages.peer, ...refusal });
        return;
      }
    }
  }

  /** Another claim begins on the stream: nothing of the one before is told on it any more. @throws `LEASE_STREAM_TAKEN`. */
  #renew(stream: LeaseStream): void {
    const { lease } = stream;
    if (lease !== undefined && !lease.over)
      throw new QuorateError(
        'LEASE_STREAM_TAKEN',
        'a stream carries one lease at a time; another one needs a stream of its own',
      );
    if (lease !== undefined && this.#streams.get(lease.id) === stream) this.#streams.delete(lease.id);
    stream.lease = undefined;
    this.#ports.replies.drop(stream.token);
    stream.token = this.#open(stream);
  }

  /** Messages that its peer may send on a stream now. A receipt takes a lease that stands, or whose receipt is recorded. */
  #sendRights({ messages, lease }: LeaseStream): SendRights {
    const { index, runs } = this.#ports.machine.state;
    const run = lease === undefined ? undefined : index.get(lease.run);
    if (lease === undefined || run === undefined) return this.#ports.admission.sendRightsOf(messages.peer);
    // Its receipt may have come on the stream before, and its ack gone there.
    const recorded = index.receiptOf(lease.id) !== undefined;
    const held = runs.get(lease.run);
    const asked = held !== undefined && askedToSign(held).some(({ id }) => id === lease.id);
    const stands = held !== undefined && findLease(held, lease.id) !== undefined;
    if (!asked && !recorded && !stands) return this.#ports.admission.sendRightsOf(messages.peer);
    return { sender: asked ? 'asked' : 'holder', receiptBytesMax: receiptBytesMaxOf(run.job) };
  }

  #heard({ messages, lease }: LeaseStream): void {
    if (lease !== undefined)
      void this.#ports.dispatch({ kind: 'heartbeat', worker: messages.peer, lease: lease.id });
  }

  /** The lease of a stream ends without a receipt, unless one is recorded. */
  #failed({ messages, lease }: LeaseStream, { code, message }: { code: string; message: string }): void {
    if (lease === undefined || lease.acked || lease.over) return;
    void this.#ports.dispatch({
      kind: 'failed',
      worker: messages.peer,
      lease: lease.id,
      code,
      message: message.slice(0, failureCharsMax),
    });
  }

  async #receipt(
    stream: LeaseStream,
    { envelope, limit, times }: Extract<LeaseUp, { kind: 'receipt' }>,
  ): Promise<void> {
    const { dispatch, signing } = this.#ports;
    const { lease, messages, token } = stream;
    // One that crossed its ack, which says all there is to say.
    if (lease === undefined || lease.acked) return;
    const receipt = await signing.documents.receipt(envelope);
    if (receipt.signer !== messages.peer)
      throw new QuorateError('RECEIPT_SIGNER_MISMATCH', 'a receipt is sent by the key that signed it');
    if (receipt.payload.predicate.quorate_receipt.lease !== lease.id)
      throw new QuorateError('RECEIPT_LEASE_MISMATCH', 'a receipt is sent on the stream of its lease');
    // For people: they are kept or not.
    if (times !== undefined) this.#ports.logFiles.keepTimes(lease.id, times).catch(() => {});
    await dispatch({ kind: 'receipt', token, lease: lease.id, receipt, ...(limit && { limit }) });
  }

  /** Checks the signature and the witness line; the machine gets only a co-signature that holds. */
  async #cosigned(stream: LeaseStream, message: Extract<LeaseUp, { kind: 'cosigned' }>): Promise<void> {
    const { machine, dispatch } = this.#ports;
    const { peer: worker } = stream.messages;
    const run = stream.lease?.run;
    const draft = run === undefined ? undefined : draftOf(machine.state, run);
    if (run === undefined || draft === undefined)
      throw new QuorateError('COSIGN_NOT_ASKED', 'no co-signature was asked for');
    const { kind: _, ...cosignature } = message;
    const { verdict } = cosignature;
    // The draft was made again since.
    if (verdict !== idOf(draft.verdict)) return;
    const signed = { verdict: draft.verdict, ...draft.checkpoint };
    const flaw = await cosignatureFlaw(this.#ports, signed, { worker, ...cosignature });
    await dispatch(
      flaw === undefined
        ? { kind: 'cosigned', run, worker, ...cosignature }
        : { kind: 'cosign-refused', run, worker, verdict, code: 'COSIGN_WITNESS_TIME', message: flaw },
    );
  }

  /** A token for replies. One that cannot be given ends its stream, and nothing else. */
  #open(stream: LeaseStream): string {
    return this.#ports.replies.open((reply) => {
      try {
        this.#answer(stream, reply);
      } catch (error) {
        stream.failure = error;
      }
    });
  }

  /** @throws `CONTROLLER_KEY_MISSING`. */
  #answer(stream: LeaseStream, reply: Reply): void {
    const { messages } = stream;
    const signed = <K extends 'lease' | 'ack'>(kind: K, payload: Messages[K]) =>
      signMessage(kind, payload, signerOf(this.#ports, payload.iss));
    switch (reply.kind) {
      case 'lease': {
        const id = idOf(reply.lease);
        stream.lease = { id, run: reply.run, acked: false, over: false };
        const before = this.#streams.get(id);
        this.#streams.set(id, stream);
        // A resume that was long on its way must not leave the worker on a stream that is told nothing: it resumes again.
        if (before !== undefined && before !== stream) void before.messages.close();
        messages.post(signed('lease', reply.lease).then(({ raw }) => ({ kind: 'lease', lease: raw })));
        return;
      }
      case 'ack':
        if (stream.lease !== undefined) stream.lease.acked = true;
        messages.post(signed('ack', reply.ack).then(({ raw }) => ({ kind: 'ack', ack: raw })));
        return;
      case 'standby':
      case 'reserve':
        messages.post(reply);
        return;
      case 'error':
        messages.post(reply);
        this.#failed(stream, reply);
        warnOfExpired(this.#ports, messages.peer, reply.code);
        return;
    }
  }
}

const older = (says: string): QuorateError =>
  new QuorateError('WORKER_OLDER', says, { hint: 'Update Quorate on the machine of the worker.' });
