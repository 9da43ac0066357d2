import { createHash } from 'node:crypto';
import { z } from 'zod';
import { askJson } from '../../node/ask-json.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import {
  type Charter,
  checkTime,
  openMessage,
  type Session as SessionDocument,
  type Verified,
  type Verifier,
} from '../../protocol/documents/index.ts';
import { signInLimits } from './limits.ts';
import { exchangeAnswerSchema, renewAnswerSchema } from './service-routes.ts';
import { type Authority, type Right, randomSecret } from './sessions.ts';

interface Ports {
  idp: string;
  origin: string;
  charter(): Charter;
  verifier: Verifier;
  now(): number;
  ask?: typeof askJson;
}

interface Held {
  handle: string;
  document: Verified<SessionDocument>;
  /** Milliseconds since the epoch. */
  until: number;
  /** Weak, so that a session that is over here is not asked for any more. */
  right: WeakRef<Right>;
}

/** Signing in at the project's identity provider. It is asked several times a second; without an answer documents end by themselves. */
export class IdpAuthority implements Authority {
  readonly #ports: Ports;
  readonly #held = new Map<string, Held>();
  #timer: NodeJS.Timeout | undefined;
  readonly #closing = new AbortController();

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  get host(): string {
    return new URL(this.#ports.idp).host;
  }

  async begin(): Promise<{ url: URL; checks: { state: string; nonce: string; verifier: string } }> {
    const { idp, origin } = this.#ports;
    const checks = { state: randomSecret(), nonce: '', verifier: randomSecret() };
    const url = new URL('/sign-in/authorize', idp);
    const challenge = createHash('sha256').update(checks.verifier).digest('base64url');
    url.search = new URLSearchParams({ service: origin, state: checks.state, challenge }).toString();
    return { url, checks };
  }

  /** @throws SIGN_IN_SERVICE_REFUSED, OIDC_PROVIDER_UNREACHABLE */
  async finish(callback: URL, { verifier }: { verifier: string }): Promise<Right> {
    const { idp, origin } = this.#ports;
    // The answer names who gave it (RFC 9207), so that one of another provider is not brought here.
    if (callback.searchParams.get('iss') !== idp)
      throw refused(`the answer is not from ${idp}, which was asked`);
    const code = callback.searchParams.get('code') ?? '';
    const body = { code, verifier, service: origin };
    const { session, handle } = await this.#post('/sign-in/exchange', body, exchangeAnswerSchema);
    const document = await this.#open(session);
    const { sub: person, name } = document.payload;
    const right: Right = { person, name, role: () => this.#roleOf(handle) };
    this.#held.set(handle, { handle, document, until: this.#untilOf(document), right: new WeakRef(right) });
    this.#next();
    return right;
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
    this.#held.clear();
  }

  #roleOf(handle: string): SessionDocument['role'] | undefined {
    const held = this.#held.get(handle);
    return held === undefined || held.until < this.#ports.now() ? undefined : held.document.payload.role;
  }

  #next(): void {
    if (this.#timer !== undefined || this.#closing.signal.aborted || this.#held.size === 0) return;
    this.#timer = setTimeout(() => {
      void this.#renewAll().finally(() => {
        this.#timer = undefined;
        this.#next();
      });
    }, signInLimits.renewMs).unref();
  }

  async #renewAll(): Promise<void> {
    for (const [handle, { right, until }] of this.#held)
      if (right.deref() === undefined || until < this.#ports.now()) this.#held.delete(handle);
    const all = [...this.#held.values()];
    for (let from = 0; from < all.length; from += signInLimits.renewSessionsMax)
      await this.#renew(all.slice(from, from + signInLimits.renewSessionsMax));
  }

  async #renew(asked: readonly Held[]): Promise<void> {
    const sessions = asked.map(({ handle, document }) => ({ handle, exp: document.payload.exp }));
    const body = { service: this.#ports.origin, sessions };
    let answers: readonly (string | boolean)[];
    try {
      ({ sessions: answers } = await this.#post('/sign-in/renew', body, renewAnswerSchema));
    } catch {
      // Out of reach: their documents say how long they stay.
      return;
    }
    for (const [index, held] of asked.entries()) {
      const answer = answers[index];
      if (answer === false) this.#held.delete(held.handle);
      if (typeof answer !== 'string') continue;
      const document = await this.#open(answer).catch(() => undefined);
      if (document === undefined || document.payload.sub !== held.document.payload.sub) continue;
      held.document = document;
      held.until = this.#untilOf(document);
    }
  }

  #untilOf({ payload: { iat, exp } }: Verified<SessionDocument>): number {
    return this.#ports.now() + (exp - iat) * 1000;
  }

  /** @throws SIGN_IN_SERVICE_REFUSED */
  async #open(raw: string): Promise<Verified<SessionDocument>> {
    const { charter, verifier, origin, now } = this.#ports;
    const { project, idps } = charter();
    try {
      const document = await openMessage('session', raw, verifier);
      checkTime(document.payload, now(), 'the session document');
      if (!idps.includes(document.signer))
        throw refused('it is not signed by an identity provider of the charter');
      if (document.payload.aud !== origin) throw refused(`it is for ${document.payload.aud}`);
      if (document.payload.project !== project)
        throw refused(`it is for project ${document.payload.project}`);
      return document;
    } catch (cause) {
      if (cause instanceof QuorateError && cause.code === 'SIGN_IN_SERVICE_REFUSED') throw cause;
      throw refused(messageOf(cause), cause);
    }
  }

  async #post<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T> {
    const { idp, ask = askJson } = this.#ports;
    try {
      const { ok, status, text } = await ask(new URL(path, idp), { body, signal: this.#closing.signal });
      if (!ok) throw refused(sentMessage(text) ?? `it answers ${status}`);
      return schema.parse(JSON.parse(text));
    } catch (cause) {
      if (cause instanceof QuorateError) throw cause;
      throw new QuorateError(
        'OIDC_PROVIDER_UNREACHABLE',
        `cannot ask the identity provider ${idp}: ${messageOf(cause)}`,
        { hint: 'Check url in [idp] of sign-in.toml, and that quorate idp runs there.', cause },
      );
    }
  }
}

const refused = (why: string, cause?: unknown): QuorateError =>
  new QuorateError('SIGN_IN_SERVICE_REFUSED', `the word of the identity provider does not hold: ${why}`, {
    hint: 'Sign in again.',
    cause,
  });

const sentSchema = z.object({ error: z.object({ message: z.string() }) });

/** The message of an error that was sent, as one line. */
function sentMessage(text: string): string | undefined {
  try {
    const { message } = sentSchema.parse(JSON.parse(text)).error;
    return message.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ').slice(0, 300);
  } catch {
    return undefined;
  }
}
