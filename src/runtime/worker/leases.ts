import {
  type Claim,
  checkTime,
  type Lease,
  openMessage,
  type Receipt,
  signMessage,
  signStatement,
  type Verified,
} from '../../core/documents/index.ts';
import { codeOf, messageOf } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { type LeaseDown, type LeaseUp, leaseDownSchema } from '../../core/wire/messages.ts';
import { protocols } from '../../core/wire/protocols.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { MessageStream } from '../node/message-stream.ts';
import type { WorkerContext } from './context.ts';

type LeaseStream = MessageStream<LeaseUp, LeaseDown>;

const openMsMax = 10_000;
const heartbeatMs = 5_000;
/** A lease may wait for its round, and a trusted worker's for a verdict, as long as a request lasts. */
const quietMsMax = 8 * 24 * 3600 * 1000;

/** The worker's side of the lease protocol: one stream per claim or resumed lease. */
export class WorkerLeases {
  readonly #context: WorkerContext;
  readonly #cosign: (lease: string, bundle: string) => void;
  readonly #talks = new Map<string, LeaseStream>();

  constructor(context: WorkerContext, cosign: (lease: string, bundle: string) => void) {
    this.#context = context;
    this.#cosign = cosign;
  }

  async claim(offer: string, claim: Claim): Promise<void> {
    const { key, credentials, dispatch } = this.#context;
    const signed = await signMessage('claim', claim, key.signer);
    await this.#session(
      { kind: 'claim', claim: signed.raw, grant: credentials.grant.raw },
      {
        offer,
        lease: undefined,
        pass: claim.pass !== undefined,
        lost: (code, message) => dispatch({ kind: 'declined', offer, code, message }),
      },
    );
  }

  async resume(lease: Verified<Lease>): Promise<void> {
    const { dispatch, machine } = this.#context;
    if (machine.leaseOf(lease.id) === undefined) return;
    await this.#session(
      { kind: 'resume', lease: lease.raw },
      {
        offer: lease.payload.offer,
        lease: lease.id,
        pass: false,
        lost: (code, message) => {
          if (code === 'MESH_LOST') dispatch({ kind: 'detached', lease: lease.id });
          else dispatch({ kind: 'released', lease: lease.id, code, message });
        },
      },
    );
  }

  async sendReceipt(lease: string, receipt: Receipt): Promise<void> {
    const { key } = this.#context;
    const { raw } = await signStatement('receipt', receipt, key.signer);
    this.#talks.get(lease)?.post({ kind: 'receipt', envelope: raw });
  }

  send(lease: string, message: LeaseUp): void {
    this.#talks.get(lease)?.post(message);
  }

  async #session(
    first: LeaseUp,
    about: {
      offer: string;
      lease: string | undefined;
      pass: boolean;
      lost: (code: string, message: string) => void;
    },
  ): Promise<void> {
    const { mesh, credentials, signal, dispatch } = this.#context;
    const [controller] = credentials.membership.controllers;
    let talk: LeaseStream;
    try {
      if (controller === undefined) throw new Error('no controller is known');
      const limit = AbortSignal.any([signal, AbortSignal.timeout(openMsMax)]);
      const channel = await mesh.open(controller, protocols.lease, {
        signal: limit,
        maxMessageBytes: limits.bundleBytesMax,
      });
      talk = new MessageStream<LeaseUp, LeaseDown>(channel, leaseDownSchema, 'a lease message');
    } catch (error) {
      if (!signal.aborted) about.lost('MESH_LOST', messageOf(error));
      return;
    }
    const beat = setInterval(() => talk.post({ kind: 'heartbeat' }), heartbeatMs);
    let lease: string | undefined;
    let over = false;
    try {
      await talk.send(first);
      while (!over) {
        const message = await talk.receive({ timeoutMs: quietMsMax, signal });
        if (message === undefined) break;
        if (message.kind === 'lease' && (about.pass || lease !== undefined))
          throw new Error('the controller gave a lease that nobody asked for');
        if (message.kind === 'lease') lease = await this.#leased(talk, message.lease, about.offer);
        else over = await this.#message(message, lease ?? about.lease, about);
        if (about.pass) over = true;
      }
      if (!over && !signal.aborted) this.#lost(lease, about, 'the controller closed the stream');
    } catch (error) {
      if (!signal.aborted) this.#lost(lease, about, `${codeOf(error)}: ${messageOf(error)}`);
    } finally {
      clearInterval(beat);
      if (lease !== undefined && this.#talks.get(lease) === talk) {
        this.#talks.delete(lease);
        if (!over && !signal.aborted) dispatch({ kind: 'detached', lease });
      }
      await talk.close();
    }
  }

  /** A stream that never got as far as a lease: whoever opened it hears of it here, others as `detached`. */
  #lost(
    lease: string | undefined,
    about: { lost: (code: string, message: string) => void },
    message: string,
  ): void {
    if (lease === undefined) about.lost('MESH_LOST', message);
  }

  async #leased(talk: LeaseStream, raw: string, offer: string): Promise<string> {
    const { credentials, dispatch, machine } = this.#context;
    const lease = await openMessage('lease', raw, joseVerifier);
    if (!credentials.charter.controllers.includes(lease.signer))
      throw new Error('the lease is not from a controller of the project');
    checkTime(lease.payload, Date.now(), 'the lease');
    this.#talks.set(lease.id, talk);
    dispatch({ kind: 'leased', offer, lease });
    // As long as the stream lived, the controller would wait for a result.
    if (machine.leaseOf(lease.id) === undefined) {
      this.#talks.delete(lease.id);
      throw new Error('the lease is of no use to this worker');
    }
    const pending = machine.pendingReceipt(lease.id);
    if (pending !== undefined) await this.sendReceipt(lease.id, pending);
    return lease.id;
  }

  /** Whether the stream has served its purpose. */
  async #message(
    message: Exclude<LeaseDown, { kind: 'lease' }>,
    lease: string | undefined,
    about: { offer: string; lost: (code: string, message: string) => void },
  ): Promise<boolean> {
    const { dispatch, credentials, key, machine } = this.#context;
    if (message.kind === 'standby') return false;
    if (message.kind === 'reserve') {
      dispatch({ kind: 'reserve', offer: about.offer });
      return false;
    }
    if (message.kind === 'error') {
      if (lease === undefined) about.lost(message.code, message.message);
      else dispatch({ kind: 'refused', lease, code: message.code, message: message.message });
      return true;
    }
    if (lease === undefined) return false;
    switch (message.kind) {
      case 'ack': {
        const ack = await openMessage('ack', message.ack, joseVerifier);
        if (credentials.charter.controllers.includes(ack.signer) && ack.payload.aud === key.id)
          dispatch({ kind: 'acked', lease, ack });
        return false;
      }
      case 'reveal':
        dispatch({ kind: 'revealed', lease });
        // What is not acknowledged yet is not revealed: the stream is still needed.
        return !machine.isOpen(lease);
      case 'release':
        dispatch({ kind: 'released', lease, code: message.code, message: message.message });
        return true;
      case 'cosign':
        this.#cosign(lease, message.bundle);
        return false;
    }
  }
}
