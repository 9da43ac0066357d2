import { createHmac, randomBytes } from 'node:crypto';
import type { Hono } from 'hono';
import { z } from 'zod';
import { QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import {
  type Charter,
  checkTime,
  type Grant,
  openMessage,
  type Verified,
  type Verifier,
} from '../../protocol/documents/index.ts';
import { checkGrant, enforce } from '../../protocol/judge/index.ts';
import { checkSameOrigin, formField, isSecret, readJson } from '../body.ts';
import type { HttpEnv } from '../env.ts';
import { startBrowserSession } from './browser-routes.ts';
import type { Guard } from './guard.ts';
import { OneTimeCodes, UsedNames } from './once.ts';
import { linkPage } from './pages.ts';
import type { Right } from './sessions.ts';

const answerSchema = z.object({
  'sign-in': z.string().max(limits.documentBytesMax),
  grant: z.string().max(limits.documentBytesMax),
});

/** Signing in with a key: the terminal answers a challenge and gets an address, which a browser opens once. */
export function keyRoutes(
  app: Hono<HttpEnv>,
  { guard, keySignIn, now }: { guard: Guard; keySignIn: KeySignIn; now(): number },
): void {
  const links = new OneTimeCodes<Right>(now);

  app.post('/sign-in/challenge', (c) => c.json(keySignIn.challenge()));

  app.post('/sign-in/key', async (c) => {
    const { 'sign-in': signIn, grant } = await readJson(c, answerSchema);
    const right = await keySignIn.answer({ signIn, grant });
    const code = links.make(right, right.person);
    return c.json({ url: `${guard.origin}/sign-in/link?code=${code}` });
  });

  // Opening the address signs nobody in: programs look ahead at addresses, and others may send theirs.
  app.get('/sign-in/link', (c) => {
    const code = c.req.query('code') ?? '';
    const name = links.peek(code)?.name;
    if (name === undefined)
      throw new QuorateError('SIGN_IN_CODE', 'the link is unknown, expired or used', {
        hint: 'Run quorate login again.',
      });
    return c.html(linkPage(name, code));
  });

  app.post('/sign-in/link', async (c) => {
    checkSameOrigin(c, guard.origin);
    const right = links.take((await formField(c, 'code')) ?? '');
    startBrowserSession(c, guard, right);
    return c.redirect('/', 303);
  });
}

/** The keys of the project's members, as a service knows them. */
export interface KeyHolders {
  charter(): Charter;
  verifier: Verifier;
  /** Whether the key, or the operator, of a grant is revoked by now. */
  isRevoked(grant: Grant): boolean;
}

const refused = (message: string, cause?: unknown): QuorateError =>
  new QuorateError('SIGN_IN_KEY_REFUSED', message, {
    hint: 'Ask the owner for a ticket: quorate invite <name> --role publisher',
    cause,
  });

interface KeySignInParts {
  origin: string;
  keys: KeyHolders;
  now(): number;
  hasEnded(person: string, since: number): boolean;
}

/** Signing in with the key of a member: it signs a challenge of this service, and shows its grant. */
export class KeySignIn {
  readonly #secret = randomBytes(32);
  readonly #parts: KeySignInParts;
  readonly #used: UsedNames;

  constructor(parts: KeySignInParts) {
    this.#parts = parts;
    this.#used = new UsedNames(parts.now);
  }

  /** To be signed within `limits.signInSecondsMax`. Keeps no state, so that asking for many costs nothing. */
  challenge(): { challenge: string; project: string; aud: string } {
    const until = this.#parts.now() + limits.signInSecondsMax * 1000;
    const head = `${until}.${randomBytes(16).toString('base64url')}`;
    const { project } = this.#parts.keys.charter();
    return { challenge: `${head}.${this.#mac(head)}`, project, aud: this.#parts.origin };
  }

  /** The right of the key that signed. @throws SIGN_IN_CHALLENGE, SIGN_IN_KEY_REFUSED */
  async answer(sent: { signIn: string; grant: string }): Promise<Right> {
    const { verifier } = this.#parts.keys;
    const charter = this.#parts.keys.charter();
    const now = this.#parts.now();
    try {
      const signIn = await openMessage('sign-in', sent.signIn, verifier);
      checkTime(signIn.payload, now, 'the sign-in');
      const { aud, project, challenge } = signIn.payload;
      if (aud !== this.#parts.origin)
        throw refused(`the key signed in at ${aud}, not at ${this.#parts.origin}`);
      if (project !== charter.project) throw refused(`the key signed in for project ${project}`);
      const grant = await openMessage('grant', sent.grant, verifier);
      checkGrant(enforce, grant, charter, { by: signIn.signer, at: Math.floor(now / 1000) });
      // After all else, so that nobody uses up the challenge of another.
      this.#useChallenge(challenge, now);
      const right = this.#rightOf(grant, now);
      if (right.role() === undefined)
        throw refused(
          `a ${grant.payload.role}, or somebody revoked, does not sign in: ${grant.payload.operator}`,
        );
      return right;
    } catch (cause) {
      if (cause instanceof QuorateError && cause.code.startsWith('SIGN_IN_')) throw cause;
      throw refused(cause instanceof QuorateError ? cause.message : 'the documents cannot be read', cause);
    }
  }

  #useChallenge(challenge: string, now: number): void {
    const [until = '', random = '', mac = ''] = challenge.split('.');
    const isOurs = isSecret(mac, this.#mac(`${until}.${random}`));
    // Remembered for longer than it counts: `now` is the time before the signatures were verified.
    const remembered = Number(until) + limits.signInSecondsMax * 1000;
    if (!isOurs || Number(until) < now || !this.#used.use(challenge, remembered))
      throw new QuorateError(
        'SIGN_IN_CHALLENGE',
        'the challenge is not of this service, too old, or answered',
        { hint: 'Run quorate login again.' },
      );
  }

  #mac(text: string): string {
    return createHmac('sha256', this.#secret).update(text).digest('base64url');
  }

  /** Holds as long as the grant, its issuer in the charter, and until the key or its operator is revoked. */
  #rightOf({ payload: grant, signer }: Verified<Grant>, since: number): Right {
    const { sub, operator, role } = grant;
    return {
      person: sub,
      name: operator,
      operator,
      role: () => {
        const isOver =
          this.#parts.now() > grant.exp * 1000 ||
          !this.#parts.keys.charter().idps.includes(signer) ||
          this.#parts.keys.isRevoked(grant) ||
          this.#parts.hasEnded(sub, since) ||
          this.#parts.hasEnded(operator, since);
        return isOver || (role !== 'publisher' && role !== 'reader') ? undefined : role;
      },
    };
  }
}
