import { createHmac, randomBytes, randomInt } from 'node:crypto';
import type { Hono } from 'hono';
import { QuorateError } from '../../protocol/base/errors.ts';
import { formField } from '../body.ts';
import type { HttpEnv } from '../env.ts';
import type { Guard } from './guard.ts';
import { signInLimits } from './limits.ts';
import { Remembered, UsedNames } from './once.ts';
import { deviceDonePage, devicePage } from './pages.ts';
import type { Sealer } from './sealed.ts';
import type { Right, Session } from './sessions.ts';

/** Consonants that are not mistaken for each other, and form no words (RFC 8628, 6.1). */
const letters = 'BCDFGHJKLMNPQRSTVWXZ';

/** Answers to a terminal's question for its session, by the names of RFC 8628, 3.5. */
type DeviceAnswer = { right: Right } | { error: 'authorization_pending' | 'expired_token' | 'invalid_grant' };

/** The device flow (RFC 8628). Only confirmations are kept; a user code's last two letters are a checksum. */
export class DeviceFlow {
  readonly #secret = randomBytes(32);
  readonly #sealer: Sealer;
  readonly #now: () => number;
  readonly #confirmed: Remembered<Right>;
  readonly #used: UsedNames;

  constructor(sealer: Sealer, now: () => number) {
    [this.#sealer, this.#now] = [sealer, now];
    this.#confirmed = new Remembered(signInLimits.codesMax, now);
    this.#used = new UsedNames(now);
  }

  async begin(): Promise<{ deviceCode: string; userCode: string }> {
    const head = Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('');
    const code = head + this.#check(head);
    const userCode = `${code.slice(0, 5)}-${code.slice(5)}`;
    const deviceCode = await this.#sealer.seal('device', { code }, signInLimits.deviceSecondsMax);
    return { deviceCode, userCode };
  }

  /** Somebody who is signed in takes the terminal for theirs. @throws SIGN_IN_CODE */
  confirm(typed: string, right: Right): void {
    const code = typed.toUpperCase().replace(/[^A-Z]/g, '');
    const isOurs = code.length === 10 && this.#check(code.slice(0, 8)) === code.slice(8);
    if (!isOurs || this.#confirmed.get(code) !== undefined)
      throw new QuorateError('SIGN_IN_CODE', 'no terminal shows this code', {
        hint: 'Type it as the terminal shows it.',
      });
    const until = this.#now() + signInLimits.deviceSecondsMax * 1000;
    this.#confirmed.set(code, right, until, right.person);
  }

  async ask(deviceCode: string): Promise<DeviceAnswer> {
    const sealed = await this.#sealer.open('device', deviceCode);
    if (sealed === undefined) return { error: 'expired_token' };
    const code = String(sealed.code);
    const right = this.#confirmed.take(code);
    if (right === undefined) return { error: 'authorization_pending' };
    const until = this.#now() + signInLimits.deviceSecondsMax * 1000;
    return this.#used.use(sealed.jti, until) ? { right } : { error: 'invalid_grant' };
  }

  #check(head: string): string {
    const mac = createHmac('sha256', this.#secret).update(head).digest();
    return [...mac.subarray(0, 2)].map((byte) => letters[byte % letters.length]).join('');
  }
}

/** Name of the terminal as an OAuth client; it is a public one. */
const terminalClient = 'quorate-terminal';
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

/** Signing in from a terminal: device flow (RFC 8628), with the metadata (RFC 8414) by which any client of it finds its way. */
export function terminalRoutes(
  app: Hono<HttpEnv>,
  { guard, sealer, now }: { guard: Guard; sealer: Sealer; now(): number },
): void {
  const { origin, sessions } = guard;
  const flow = new DeviceFlow(sealer, now);

  app.get('/.well-known/oauth-authorization-server', (c) =>
    c.json({
      issuer: origin,
      token_endpoint: `${origin}/sign-in/token`,
      device_authorization_endpoint: `${origin}/sign-in/device`,
      grant_types_supported: [deviceGrant],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ['none'],
    }),
  );

  app.post('/sign-in/device', async (c) => {
    if ((await formField(c, 'client_id')) !== terminalClient) return c.json({ error: 'invalid_client' }, 400);
    const { deviceCode, userCode } = await flow.begin();
    const uri = `${origin}/sign-in/device`;
    return c.json({
      device_code: deviceCode,
      user_code: userCode,
      verification_uri: uri,
      verification_uri_complete: `${uri}?user_code=${userCode}`,
      expires_in: signInLimits.deviceSecondsMax,
      interval: signInLimits.deviceIntervalSeconds,
    });
  });

  app.get('/sign-in/device', guard.requireRole('reader'), (c) => {
    const { name, csrf } = guard.session(c) as Session;
    return c.html(devicePage({ name, csrf, code: (c.req.query('user_code') ?? '').slice(0, 14) }));
  });

  app.post('/sign-in/device/confirm', guard.requireRole('reader'), async (c) => {
    const { right } = guard.session(c) as Session;
    flow.confirm((await formField(c, 'user_code')) ?? '', right);
    return c.html(deviceDonePage());
  });

  app.post('/sign-in/token', async (c) => {
    if ((await formField(c, 'grant_type')) !== deviceGrant)
      return c.json({ error: 'unsupported_grant_type' }, 400);
    const answer = await flow.ask((await formField(c, 'device_code')) ?? '');
    if ('error' in answer) return c.json(answer, 400);
    try {
      const { secret, session } = sessions.start(answer.right, 'terminal');
      return c.json({ access_token: secret, token_type: 'Bearer', scope: session.role });
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      const says = error.message.replace(/[^\x20-\x7e]/g, '?');
      return c.json({ error: 'access_denied', error_description: says }, 400);
    }
  });
}
