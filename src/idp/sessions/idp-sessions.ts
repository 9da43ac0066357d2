import { QuorateError } from '../../protocol/base/errors.ts';
import { type Charter, signMessage, type Verified } from '../../protocol/documents/index.ts';
import { openCharterOf } from '../../protocol/judge/index.ts';
import { Admission } from '../../protocol/sessions/admission.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { answering, errorFrom, MessageStream } from '../../protocol/sessions/message-stream.ts';
import type { Channel, Clock, ServedProtocol, Signing } from '../../protocol/sessions/ports.ts';
import { Replies } from '../../protocol/sessions/replies.ts';
import { servedBounds } from '../../protocol/wire/bounds.ts';
import { type IdpDown, type IdpUp, idpUpSchema } from '../../protocol/wire/messages.ts';
import { protocols } from '../../protocol/wire/protocols.ts';
import type { IdpEffect, IdpEvent, IdpReply } from '../machine/events.ts';
import type { IdentityProvider } from '../machine/machine.ts';

/** Everything outside of the sessions of an identity provider. */
interface IdpPorts {
  readonly project: string;
  readonly signing: Signing;
  readonly clock: Clock;
  readonly machine: IdentityProvider;
  /** As `Loop.dispatch`. */
  dispatch(event: IdpEvent): Promise<void>;
  /** Takes turns from the account of a peer; returns the milliseconds until its next message may be read. */
  charge(account: string, turns: number): number;
  /** Keeps a charter of a higher epoch for the next start, and dispatches it. @throws {QuorateError} `HOME_…` */
  takeCharter(charter: Verified<Charter>): Promise<void>;
  /** Keeps where a controller is, for tickets. @throws {QuorateError} `HOME_…` */
  keepAddress(addrs: readonly string[]): Promise<void>;
}

type IdpStream = MessageStream<IdpDown, IdpUp>;

/** The identity provider's side of its protocol: one question per stream. */
export class IdpSessions {
  readonly #ports: IdpPorts;
  readonly #admission: Admission;
  readonly #replies = new Replies<IdpReply>();

  constructor(ports: IdpPorts) {
    this.#ports = ports;
    this.#admission = new Admission(ports, (peer) => this.#isController(peer));
  }

  get served(): ServedProtocol {
    return {
      protocol: protocols.idp,
      options: servedBounds('idp'),
      session: (channel) => this.#session(channel),
    };
  }

  perform({ token, reply }: IdpEffect): void {
    this.#replies.answer(token, reply);
  }

  #isController(peer: string): boolean {
    return this.#ports.machine.state.charter?.payload.controllers.includes(peer) === true;
  }

  async #session(channel: Channel): Promise<void> {
    const sent = (bytes: number) => this.#admission.answered(channel, bytes);
    const stream: IdpStream = new MessageStream<IdpDown, IdpUp>(channel, idpUpSchema, 'a question', sent);
    return answering(stream, async () => {
      const question = await this.#admission.receive(stream, {
        protocol: 'idp',
        timeoutMs: sessionTimes.questionMs,
      });
      if (question !== undefined) await stream.send(await this.#answer(stream, question));
    });
  }

  #answer(stream: IdpStream, question: IdpUp): Promise<IdpDown> {
    return question.kind === 'grant'
      ? this.#grant(stream.peer, question)
      : this.#charter(stream.peer, question);
  }

  async #charter(peer: string, { charter, addrs }: Extract<IdpUp, { kind: 'charter' }>): Promise<IdpDown> {
    const { project, signing, takeCharter, keepAddress } = this.#ports;
    if (charter !== this.#inForce.raw) {
      const theirs = await openCharterOf(charter, project, signing.documents.verifier);
      if (theirs.payload.epoch > this.#inForce.payload.epoch) await takeCharter(theirs);
    }
    if (this.#isController(peer) && addrs.length > 0) await keepAddress(addrs);
    return { kind: 'charter', charter: this.#inForce.raw };
  }

  async #grant(peer: string, question: Extract<IdpUp, { kind: 'grant' }>): Promise<IdpDown> {
    const { signing, dispatch } = this.#ports;
    const { epoch } = this.#inForce.payload;
    if (question.epoch !== epoch)
      throw new QuorateError(
        'IDP_CHARTER_DIFFERS',
        `the identity provider goes by the charter of epoch ${epoch}, and the controller by that of ${question.epoch}`,
      );
    const { documents } = signing;
    const { enrolled, at } = question;
    const enrol = await documents.message('enrol', question.enrol);
    const use = {
      ...(question.invite !== undefined && { invite: await documents.message('invite', question.invite) }),
      ...(question.possession !== undefined && {
        possession: await documents.message('possession', question.possession),
      }),
    };
    const reply = await this.#replies.ask((token) =>
      dispatch({ kind: 'grant', token, by: peer, enrol, ...use, enrolled, ...(at !== undefined && { at }) }),
    );
    if (reply?.kind === 'error') throw errorFrom(reply);
    if (reply === undefined) throw new QuorateError('IDP_NOT_STARTED', 'the identity provider is stopping');
    const grant = await signMessage('grant', reply.grant, signing.signer);
    return { kind: 'grant', grant: grant.raw };
  }

  get #inForce(): Verified<Charter> {
    const { charter } = this.#ports.machine.state;
    if (charter === null)
      throw new QuorateError('IDP_NOT_STARTED', 'the identity provider has no charter yet');
    return charter;
  }
}
