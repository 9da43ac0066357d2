import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { QuorateError } from '../../protocol/base/errors.ts';
import { signInLimits } from './limits.ts';
import { Remembered, UsedNames } from './once.ts';
import type { Right } from './right.ts';
import type { Sealer } from './sealed.ts';

/** Consonants that are not mistaken for each other, and form no words (RFC 8628, 6.1). */
const letters = 'BCDFGHJKLMNPQRSTVWXZ';

/** Answers to a terminal's question for its session, by the names of RFC 8628, 3.5. */
export type DeviceAnswer =
  | { right: Right }
  | { error: 'authorization_pending' | 'expired_token' | 'invalid_grant' };

/**
 * The device flow (RFC 8628). A device code is sealed state of the terminal itself; only confirmations, by people who are
 * signed in, are kept. The last two letters of a user code are computed from the others, so that a mistyped one is noticed.
 */
export class DeviceFlow {
  readonly #secret = randomBytes(32);
  readonly #sealer: Sealer;
  readonly #now: () => number;
  readonly #confirmed: Remembered<Right>;
  readonly #used: UsedNames;

  constructor(sealer: Sealer, now: () => number) {
    this.#sealer = sealer;
    this.#now = now;
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
    if (
      code.length !== 10 ||
      this.#check(code.slice(0, 8)) !== code.slice(8) ||
      this.#confirmed.get(code) !== undefined
    )
      throw new QuorateError('SIGN_IN_CODE', 'no terminal shows this code', {
        hint: 'Type it as the terminal shows it.',
      });
    this.#confirmed.set(code, right, this.#now() + signInLimits.deviceSecondsMax * 1000);
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
