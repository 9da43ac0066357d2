import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import {
  type Claim,
  checkTime,
  type Lease,
  signMessage,
  signStatement,
  type Verified,
} from '../../protocol/documents/index.ts';
import { isConnectionError } from '../../protocol/sessions/ask.ts';
import { isStale } from '../../protocol/sessions/kept-streams.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { errorFrom, errorMessage, MessageStream } from '../../protocol/sessions/message-stream.ts';
import { every } from '../../protocol/sessions/timing.ts';
import {
  encodeMessage,
  type LeaseDown,
  type LeaseUp,
  leaseDownSchema,
} from '../../protocol/wire/messages.ts';
import { protocols } from '../../protocol/wire/protocols.ts';
import type { SentReceipt } from '../machine/events.ts';
import { type GrantRenewal, mayBeRenewed } from './grant-renewal.ts';
import type { LogWitness } from './log-witness.ts';
import type { WorkerPorts } from './ports.ts';

type LeaseStream = MessageStream<LeaseUp, LeaseDown>;

interface Purpose {
  offer: string;
  /** The lease that is resumed; undefined for a claim. */
  resumes: string | undefined;
  /** The claim says why the worker takes no slot: no lease may follow. */
  pass: boolean;
  /** The stream ended, or was refused, before it carried a lease. */
  failed(code: string, message: string): Promise<void>;
}

/** How far the stream of a claim or lease came. */
interface Conversation {
  /** The lease that was given on it. */
  lease: string | undefined;
  /** Neither side has more to say of it. */
  over: boolean;
  /** The controller said anything. */
  heard: boolean;
  /** A receipt whose ack of before did not come again with the lease: a controller of an older copy may have lost it. */
  unconfirmed: SentReceipt | undefined;
  failure: unknown;
}

/** The worker's side of the lease protocol: a stream for each claim or resumed lease that is under way. */
export class LeaseClient {
  readonly #ports: WorkerPorts;
  readonly #grants: GrantRenewal;
  readonly #witness: LogWitness;
  readonly #cosign: (lease: string, bundle: string) => void;
  readonly #streams = new Map<string, LeaseStream>();

  /** `cosign` is called when the controller shows a draft bundle for a lease. */
  constructor(
    ports: WorkerPorts,
    grants: GrantRenewal,
    witness: LogWitness,
    cosign: (lease: string, bundle: string) => void,
  ) {
    this.#ports = ports;
    this.#grants = grants;
    this.#witness = witness;
    this.#cosign = cosign;
  }

  async claim(offer: string, claim: Claim): Promise<void> {
    const { signing, credentials, dispatch, version } = this.#ports;
    const { grant } = credentials;
    const signed = await signMessage('claim', claim, signing.signer);
    await this.#session(
      { kind: 'claim', claim: signed.raw, grant: grant.raw, version },
      {
        offer,
        resumes: undefined,
        pass: claim.pass !== undefined,
        failed: async (code, message) => {
          const renewed = mayBeRenewed(code) && (await this.#grants.refresh(grant));
          await dispatch({ kind: 'declined', offer, code, message, ...(renewed ? { again: true } : {}) });
        },
      },
    );
  }

  async resumeLease(lease: Verified<Lease>): Promise<void> {
    const { dispatch, machine } = this.#ports;
    const { id } = lease;
    if (machine.leaseOf(id) === undefined) return;
    await this.#session(
      { kind: 'resume', lease: lease.raw },
      {
        offer: lease.payload.offer,
        resumes: id,
        pass: false,
        async failed(code, message) {
          if (code === 'MESH_LOST') await dispatch({ kind: 'detached', lease: id });
          else await dispatch({ kind: 'released', lease: id, code, message });
        },
      },
    );
  }

  async sendReceipt(lease: string, { receipt, limit }: SentReceipt): Promise<void> {
    const { signing } = this.#ports;
    try {
      const { raw } = await signStatement('receipt', receipt, signing.signer);
      const message: LeaseUp = { kind: 'receipt', envelope: raw, ...(limit && { limit }) };
      const times = this.#ports.logTimes(lease, encodeMessage(message).length);
      await this.#streams.get(lease)?.send({ ...message, ...(times !== undefined && { times }) });
    } catch (error) {
      // After a connection error it is sent again on another stream; any other error is final.
      if (!isConnectionError(error)) await this.failed(lease, 'receipt', error);
    }
  }

  /** The build or the receipt of a lease failed: tells the operator, and the machine. */
  async failed(lease: string, what: string, error: unknown): Promise<void> {
    const { clock, dispatch, tell } = this.#ports;
    if (clock.closing) return;
    tell('warn', what, `${what}: ${messageOf(error)}`, { lease });
    const { code, message } = errorMessage(error);
    await dispatch({ kind: 'failed', lease, code, message });
  }

  /** Tells the controller that no receipt comes under this lease. */
  giveUp({ lease, code, message }: { lease: string; code: string; message: string }): void {
    this.send(lease, { kind: 'failed', code, message });
  }

  /** On the open stream of a lease; without one the message is dropped, as a resumed stream says it again. */
  send(lease: string, message: LeaseUp): void {
    this.#streams.get(lease)?.post(message);
  }

  /** `fresh`: not on a stream that carried another lease. */
  async #session(first: LeaseUp, purpose: Purpose, fresh = false): Promise<void> {
    const { clock, dispatch } = this.#ports;
    let stream: LeaseStream;
    try {
      // Late messages of the old lease would be attributed to the resumed one.
      stream = await this.#open(fresh || purpose.resumes !== undefined);
    } catch (error) {
      if (!clock.closing) await purpose.failed('MESH_LOST', messageOf(error));
      return;
    }
    const { lease, over, heard, failure } = await this.#converse(stream, first, purpose);
    try {
      if (!heard && !clock.closing && isStale(stream.channel, failure))
        return await this.#session(first, purpose, true);
      const lost = !over && !clock.closing;
      if (lease === undefined) {
        const closed = 'the controller closed the stream';
        const why = failure === undefined ? closed : `${codeOf(failure)}: ${messageOf(failure)}`;
        if (lost) await purpose.failed('MESH_LOST', why);
      } else if (this.#streams.get(lease) === stream) {
        this.#streams.delete(lease);
        if (lost) await dispatch({ kind: 'detached', lease });
      }
    } finally {
      await (over ? stream.release() : stream.close());
    }
  }

  /** Until the stream has served its purpose or ends. Never rejects. */
  async #converse(stream: LeaseStream, first: LeaseUp, purpose: Purpose): Promise<Conversation> {
    const said: Conversation = {
      lease: undefined,
      over: false,
      heard: false,
      unconfirmed: undefined,
      failure: undefined,
    };
    const stopHeartbeats = every(this.#ports.clock, sessionTimes.heartbeatMs, () => {
      stream.post({ kind: 'heartbeat' });
      const { lease, unconfirmed } = said;
      said.unconfirmed = undefined;
      if (lease !== undefined && unconfirmed !== undefined) void this.sendReceipt(lease, unconfirmed);
    });
    try {
      await stream.send(first);
      while (!said.over) {
        const message = await stream.receive({ timeoutMs: sessionTimes.requestMs });
        if (message === undefined) break;
        said.heard = true;
        if (message.kind === 'lease') {
          if (purpose.pass || said.lease !== undefined)
            throw new QuorateError('LEASE_UNASKED', 'the controller gave a lease that nobody asked for');
          said.lease = await this.#leased(stream, message.lease, purpose);
          said.unconfirmed = this.#ports.machine.ackedReceipt(said.lease);
        } else {
          if (message.kind === 'ack') said.unconfirmed = undefined;
          said.over = await this.#message(message, said.lease, purpose);
        }
        if (purpose.pass) said.over = true;
      }
    } catch (error) {
      said.failure = error;
    } finally {
      stopHeartbeats();
    }
    return said;
  }

  async #open(fresh: boolean): Promise<LeaseStream> {
    const { dial, credentials } = this.#ports;
    const channel = await dial(credentials.controller, protocols.lease, {
      timeoutMs: sessionTimes.openMs,
      maxMessageBytes: limits.bundleBytesMax,
      fresh,
    });
    return new MessageStream<LeaseUp, LeaseDown>(channel, leaseDownSchema, 'a lease message');
  }

  async #leased(stream: LeaseStream, raw: string, { offer, resumes }: Purpose): Promise<string> {
    const { credentials, dispatch, machine, clock, signing } = this.#ports;
    const lease = await signing.documents.message('lease', raw);
    // One that is resumed was checked when it was given; its controller may have another key by now.
    if (resumes === undefined && !credentials.charter.controllers.includes(lease.signer))
      throw new QuorateError('LEASE_ISSUER_MISMATCH', 'the lease is not from a controller of the project');
    // A resumed lease may have run out: its ack, its reveal or its release is still to come.
    if (resumes === undefined) checkTime(lease.payload, clock.now(), 'the lease');
    else if (lease.id !== resumes)
      throw new QuorateError('LEASE_UNASKED', 'the controller resumed another lease than it was asked for');
    this.#streams.set(lease.id, stream);
    await dispatch({ kind: 'leased', offer, lease });
    // While the stream lives, the controller waits for a result.
    if (machine.leaseOf(lease.id) === undefined) {
      this.#streams.delete(lease.id);
      throw new QuorateError('LEASE_UNASKED', 'the lease is of no use to this worker');
    }
    const pending = machine.pendingReceipt(lease.id);
    if (pending !== undefined) await this.sendReceipt(lease.id, pending);
    return lease.id;
  }

  /** Handles a message; says whether the stream has served its purpose. */
  async #message(
    message: Exclude<LeaseDown, { kind: 'lease' }>,
    onStream: string | undefined,
    { offer, resumes, failed }: Purpose,
  ): Promise<boolean> {
    const { dispatch, signing, machine } = this.#ports;
    const lease = onStream ?? resumes;
    switch (message.kind) {
      case 'standby':
        return false;
      case 'reserve':
        await dispatch({ kind: 'reserve', offer });
        return false;
      case 'error':
        // The controller lost the connection, not the lease.
        if (message.code.startsWith('MESH_')) throw errorFrom(message);
        if (lease === undefined || onStream === undefined) await failed(message.code, message.message);
        else await dispatch({ kind: 'refused', lease, code: message.code, message: message.message });
        return true;
      default:
    }
    if (lease === undefined) return false;
    switch (message.kind) {
      case 'ack': {
        const ack = await signing.documents.message('ack', message.ack);
        // The machine holds it to the key that gave the lease.
        if (ack.payload.aud !== signing.signer.id) return false;
        // Once it is acknowledged nothing asks for the ack again.
        const round = machine.roundOf(lease);
        const [signed, offer] = [machine.leaseOf(lease)?.raw, machine.offerOf(lease)];
        const held = signed === undefined ? undefined : { lease: signed, offer };
        if (round !== undefined) await this.#witness.promised(ack, round, held);
        await dispatch({ kind: 'acked', lease, ack });
        return false;
      }
      case 'reveal':
        await dispatch({ kind: 'revealed', lease });
        // A result that is not acknowledged is not revealed either: the stream is still needed.
        return !machine.isOpen(lease);
      case 'release':
        await dispatch({ kind: 'released', lease, code: message.code, message: message.message });
        return true;
      case 'cosign':
        // The ack went to a stream of before. A resumed stream brings it first, and then the draft again.
        if (machine.pendingReceipt(lease) !== undefined)
          throw new QuorateError(
            'COSIGN_BEFORE_ACK',
            'the draft was shown before the receipt was acknowledged',
          );
        this.#cosign(lease, message.bundle);
        return false;
    }
  }
}
