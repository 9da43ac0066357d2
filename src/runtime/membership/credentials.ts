import {
  type Charter,
  checkTime,
  type Grant,
  openMessage,
  signMessage,
  type Verified,
} from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import { checkGrant, enforce } from '../../core/judge/index.ts';
import { limits } from '../../core/limits.ts';
import { type ApiDown, type ApiUp, apiDownSchema } from '../../core/wire/messages.ts';
import { protocols } from '../../core/wire/protocols.ts';
import { randomNonce } from '../../identity/idp.ts';
import type { NodeKey } from '../../identity/keys.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import type { Mesh } from '../../mesh/index.ts';
import { errorFrom, MessageStream } from '../node/message-stream.ts';
import type { Home, Membership } from './home.ts';

/** Where a node stands in a project: the charter in force and its own grant, both verified, both kept up to date. */
export interface Credentials {
  readonly membership: Membership;
  readonly charter: Charter;
  readonly grant: Verified<Grant>;
  /** Takes a newer charter that the root signed; an older or foreign one is ignored. */
  learnCharter(raw: string): Promise<void>;
  /** A controller of the charter answers at other addresses than before. */
  learnAddress(id: string, addrs: string[]): Promise<void>;
  /** Where the controller's HTTP feed is; none once it has none. */
  learnFeed(urls: string[] | undefined): Promise<void>;
  /** Asks for a fresh grant when the one there is past half its life. */
  renew(mesh: Mesh, signal: AbortSignal): Promise<boolean>;
}

const askMsMax = 20_000;
const controllerAddrsMax = 16;

/** A charter of that project, by its root. Errors: `CHARTER_ISSUER_MISMATCH`, `DOC_…`. */
export async function openCharter(raw: string, project: string): Promise<Verified<Charter>> {
  const charter = await openMessage('charter', raw, joseVerifier);
  if (charter.signer !== project || charter.payload.project !== project) {
    throw new QuorateError(
      'CHARTER_ISSUER_MISMATCH',
      `the charter is not signed by the root key of project ${project}`,
      { hint: 'Whoever answers there serves another project. Ask the owner of yours for a new ticket.' },
    );
  }
  return charter;
}

/** One question to a controller, one answer. Tries each of its keys. Errors: `CONTROLLER_UNREACHABLE` and what it answered. */
export async function ask(
  mesh: Mesh,
  controllers: Membership['controllers'],
  question: ApiUp,
  signal: AbortSignal,
): Promise<{ answer: ApiDown; controller: string }> {
  let last: unknown;
  for (const controller of controllers) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(askMsMax)]);
    let talk: MessageStream<ApiUp, ApiDown>;
    try {
      const channel = await mesh.open(controller, protocols.api, {
        signal: limit,
        maxMessageBytes: limits.receiptBytesMax,
      });
      talk = new MessageStream<ApiUp, ApiDown>(channel, apiDownSchema, 'an answer of the controller');
    } catch (error) {
      signal.throwIfAborted();
      last = error;
      continue;
    }
    try {
      await talk.send(question);
      const answer = await talk.receive({ timeoutMs: askMsMax, signal });
      if (answer === undefined)
        throw new QuorateError('CONTROLLER_SILENT', 'the controller closed the stream without an answer', {
          hint: 'Try again; what the controller itself prints says why.',
        });
      if (answer.kind === 'error') throw errorFrom(answer);
      return { answer, controller: controller.id };
    } finally {
      await talk.close();
    }
  }
  throw new QuorateError('CONTROLLER_UNREACHABLE', 'no controller of the project answers', {
    cause: last,
    hint: `Tried: ${controllers.flatMap(({ addrs }) => addrs).join(', ') || 'no address is known'}. Is it running, and reachable from here?`,
  });
}

/** Enrols with a ticket, or renews without one: signs the wish with the node's key, checks the grant that comes back. */
export async function obtainGrant(
  mesh: Mesh,
  key: NodeKey,
  membership: { project: string; controllers: Membership['controllers']; idp: string },
  invite: Verified<{ jti: string }> | undefined,
  signal: AbortSignal,
): Promise<{ grant: Verified<Grant>; charter: Verified<Charter>; feed: string[] | undefined }> {
  const iat = Math.floor(Date.now() / 1000);
  const enrol = await signMessage(
    'enrol',
    {
      iss: key.id,
      aud: membership.idp,
      project: membership.project,
      ...(invite === undefined ? {} : { invite: invite.payload.jti }),
      jti: randomNonce(),
      iat,
      exp: iat + 300,
    },
    key.signer,
  );
  const question: ApiUp =
    invite === undefined
      ? { kind: 'renew', enrol: enrol.raw }
      : { kind: 'enrol', enrol: enrol.raw, invite: invite.raw };
  const { answer } = await ask(mesh, membership.controllers, question, signal);
  if (answer.kind !== 'grant')
    throw new QuorateError('CONTROLLER_CONFUSED', `expected a grant, got ${answer.kind}`, {
      hint: 'It may run another version: update both.',
    });
  const charter = await openCharter(answer.charter, membership.project);
  const grant = await openMessage('grant', answer.grant, joseVerifier);
  checkTime(grant.payload, Date.now(), 'the grant');
  checkGrant(enforce, grant, charter.payload, { by: key.id, at: Math.floor(Date.now() / 1000) });
  return { grant, charter, feed: answer.feed };
}

export async function openCredentials(home: Home, key: NodeKey, start: Membership): Promise<Credentials> {
  let membership = start;
  let charter = (await openCharter(start.charter, start.project)).payload;
  let grant = await openMessage('grant', start.grant, joseVerifier);
  return {
    get membership() {
      return membership;
    },
    get charter() {
      return charter;
    },
    get grant() {
      return grant;
    },
    async learnCharter(raw) {
      if (raw === membership.charter) return;
      const learned = await openCharter(raw, membership.project);
      if (learned.payload.epoch <= charter.epoch) return;
      charter = learned.payload;
      membership = { ...membership, charter: raw, bootstrap: charter.bootstrap };
      await home.save(membership);
    },
    async learnAddress(id, addrs) {
      if (!charter.controllers.includes(id) || addrs.length === 0) return;
      const known = membership.controllers.find((controller) => controller.id === id)?.addrs ?? [];
      if (addrs.every((addr) => known.includes(addr))) return;
      // Where it was before may still be right: some addresses lead there from some networks only.
      const all = [...new Set([...addrs, ...known])].slice(0, controllerAddrsMax);
      const others = membership.controllers.filter((controller) => controller.id !== id);
      membership = { ...membership, controllers: [{ id, addrs: all }, ...others] };
      await home.save(membership);
    },
    async learnFeed(urls) {
      if (String(urls) === String(membership.feed)) return;
      const { feed: _, ...rest } = membership;
      membership = urls === undefined ? rest : { ...rest, feed: urls };
      await home.save(membership);
    },
    async renew(mesh, signal) {
      const { iat, exp } = grant.payload;
      if (Date.now() / 1000 < (iat + exp) / 2) return false;
      const [idp = ''] = charter.idps;
      const fresh = await obtainGrant(
        mesh,
        key,
        { project: membership.project, controllers: membership.controllers, idp },
        undefined,
        signal,
      );
      grant = fresh.grant;
      membership = { ...membership, grant: grant.raw };
      await home.save(membership);
      return true;
    },
  };
}
