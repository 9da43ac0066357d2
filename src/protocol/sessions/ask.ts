import { codeOf, type ErrorCode, QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import {
  type Charter,
  checkTime,
  type Enrol,
  type Grant,
  type Invite,
  type Signer,
  signMessage,
  type Verified,
} from '../documents/index.ts';
import { checkGrant, enforce } from '../judge/index.ts';
import { type ApiDown, type ApiUp, apiDownSchema } from '../wire/messages.ts';
import { protocols } from '../wire/protocols.ts';
import { isStale } from './kept-streams.ts';
import { sessionTimes } from './limits.ts';
import { type ErrorMessage, MessageStream } from './message-stream.ts';
import type { Clock, Dial, Documents, PeerAddress, Signing } from './ports.ts';

export type Question = MessageStream<ApiUp, ApiDown>;

/** Opens a stream of the api protocol to one controller and asks. The caller reads the answers and closes the stream. */
export async function openQuestion(
  dial: Dial,
  controller: PeerAddress,
  question: ApiUp,
  fresh = true,
): Promise<Question> {
  const channel = await dial(controller, protocols.api, {
    timeoutMs: sessionTimes.apiOpenMs,
    maxMessageBytes: limits.receiptBytesMax,
    fresh,
  });
  const stream: Question = new MessageStream<ApiUp, ApiDown>(
    channel,
    apiDownSchema,
    'an answer of the controller',
  );
  try {
    await stream.send(question);
  } catch (error) {
    await stream.close();
    if (isStale(channel, error)) return openQuestion(dial, controller, question);
    throw error;
  }
  return stream;
}

/**
 * Asks one question, of the controllers in turn until one can be reached.
 * @throws {QuorateError} `CONTROLLER_UNREACHABLE`, `CONTROLLER_SILENT`, those of `isCrowded`, the controller's own
 */
export async function ask(
  dial: Dial,
  controllers: readonly PeerAddress[],
  question: ApiUp,
): Promise<{ answer: ApiDown; controller: string }> {
  let last: unknown;
  let crowded: unknown;
  for (const controller of controllers) {
    let answered: Answered;
    try {
      answered = await askOne(dial, controller, question);
    } catch (error) {
      if (!(error instanceof Unasked)) throw error;
      last = error.cause;
      if (isCrowded(last)) crowded ??= last;
      continue;
    }
    const { stream, answer } = answered;
    if (answer === undefined || answer.kind === 'error') await stream.close();
    else await stream.release();
    if (answer === undefined)
      throw new QuorateError('CONTROLLER_SILENT', 'the controller closed the stream without an answer', {
        hint: 'Try again; what the controller itself prints says why.',
      });
    if (answer.kind === 'error') throw new AnsweredError(answer);
    return { answer, controller: controller.id };
  }
  if (crowded !== undefined) throw crowded;
  throw new QuorateError('CONTROLLER_UNREACHABLE', 'no controller of the project answers', {
    cause: last,
    hint: `Tried: ${controllers.flatMap(({ addrs }) => addrs).join(', ') || 'no address is known'}. Is it running, and reachable from here?`,
  });
}

interface Answered {
  stream: Question;
  answer: ApiDown | undefined;
}

/** A question that did not leave. */
class Unasked extends Error {}

/** On a stream that was kept, where there is one; on a new one where that has ended. @throws `Unasked`, `MESH_…`, `WIRE_INVALID`. */
async function askOne(
  dial: Dial,
  controller: PeerAddress,
  question: ApiUp,
  fresh = false,
): Promise<Answered> {
  const stream = await openQuestion(dial, controller, question, fresh).catch((cause: unknown) => {
    throw new Unasked('', { cause });
  });
  let failure: unknown;
  try {
    const answer = await stream.receive({ timeoutMs: sessionTimes.answerMs });
    if (answer !== undefined || !isStale(stream.channel, undefined)) return { stream, answer };
  } catch (error) {
    failure = error;
  }
  await stream.close();
  if (!isStale(stream.channel, failure)) throw failure;
  return askOne(dial, controller, question, true);
}

/** An error that the controller answered with, whatever code it says. */
class AnsweredError extends QuorateError {
  constructor({ code, message, hint }: ErrorMessage) {
    super(code as ErrorCode, message, hint === undefined ? {} : { hint });
  }
}

/** A limit of streams was reached, which all processes with one key share: what was asked was not read, and may be asked again. */
export const isBusy = (error: unknown): boolean => busyCodes.has(codeOf(error));
const busyCodes: ReadonlySet<string> = new Set(['MESH_PEER_QUOTA', 'MESH_PEER_RATE', 'API_FOLLOWED_MAX']);

/** The peer takes no more connections now: what was asked was not read, and may be asked again. */
export const isCrowded = (error: unknown): boolean => crowdedCodes.has(codeOf(error));
const crowdedCodes: ReadonlySet<string> = new Set(['MESH_BUSY', 'MESH_FULL']);

/** True for errors of the connection and of a controller that has not started, which may pass; false for its other answers. */
export function isConnectionError(error: unknown): boolean {
  const code = codeOf(error);
  if (isBusy(error)) return false;
  if (code.startsWith('MESH_') || code === 'CONTROLLER_ASKING') return true;
  return (
    !(error instanceof AnsweredError) && (code === 'CONTROLLER_UNREACHABLE' || code === 'CONTROLLER_SILENT')
  );
}

/** Opens a charter of one project, which is named by its root key. @throws `CHARTER_ISSUER_MISMATCH`, `DOC_…`. */
export async function openCharter(
  raw: string,
  project: string,
  documents: Pick<Documents, 'message'>,
): Promise<Verified<Charter>> {
  const charter = await documents.message('charter', raw);
  if (charter.signer !== project || charter.payload.project !== project)
    throw new QuorateError(
      'CHARTER_ISSUER_MISMATCH',
      `the charter is not signed by the root key of project ${project}`,
      {
        hint: 'The controller at that address serves another project. Ask the owner of yours for a new ticket.',
      },
    );
  return charter;
}

/** The proof that who enrols has the ticket itself, signed by the key in it. */
async function held(
  { payload: { project, invite = '', iat, exp }, signer }: Verified<Enrol>,
  holder: Signer | undefined,
): Promise<{ possession?: string }> {
  if (holder === undefined) return {};
  const payload = { iss: holder.id, project, invite, sub: signer, iat, exp };
  return { possession: (await signMessage('possession', payload, holder)).raw };
}

/**
 * Enrols with an invite and the key in its ticket, or renews a grant without one, and checks the grant that comes back.
 * @throws {QuorateError} those of `ask`, `CHARTER_ISSUER_MISMATCH`, `DOC_…`, `GRANT_…`
 */
export async function obtainGrant(
  { dial, signing, clock }: { dial: Dial; signing: Signing; clock: Pick<Clock, 'now'> },
  { project, controllers, idp }: { project: string; controllers: readonly PeerAddress[]; idp: string },
  ticket: { invite: Verified<Invite>; holder?: Signer | undefined } | undefined,
): Promise<{ grant: Verified<Grant>; charter: Verified<Charter>; feed: string[] | undefined }> {
  const { signer, documents, nonce } = signing;
  const iat = Math.floor(clock.now() / 1000);
  const enrol = await signMessage(
    'enrol',
    {
      iss: signer.id,
      aud: idp,
      project,
      ...(ticket === undefined ? {} : { invite: ticket.invite.payload.jti }),
      jti: nonce(),
      iat,
      exp: iat + sessionTimes.enrolSeconds,
    },
    signer,
  );
  const question: ApiUp =
    ticket === undefined
      ? { kind: 'renew', enrol: enrol.raw }
      : { kind: 'enrol', enrol: enrol.raw, invite: ticket.invite.raw, ...(await held(enrol, ticket.holder)) };
  const { answer } = await ask(dial, controllers, question);
  if (answer.kind !== 'grant')
    throw new QuorateError('CONTROLLER_UNEXPECTED_ANSWER', `expected a grant, got ${answer.kind}`, {
      hint: 'It may run another version: update both.',
    });
  const charter = await openCharter(answer.charter, project, documents);
  const grant = await documents.message('grant', answer.grant);
  checkTime(grant.payload, clock.now(), 'the grant');
  checkGrant(enforce, grant, charter.payload, { by: signer.id, at: Math.floor(clock.now() / 1000) });
  return { grant, charter, feed: answer.feed };
}
