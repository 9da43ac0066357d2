import { QuorateError } from '../../core/errors.ts';
import { signInLimits } from './limits.ts';
import { hashOf, randomSecret } from './sessions.ts';

/** Names that count once, each remembered until it would have expired anyway. */
export class UsedNames {
  readonly #until = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** False for a name that was used before. @param until when it expires by itself, in milliseconds since the epoch */
  use(name: string, until: number): boolean {
    const now = this.#now();
    if (this.#until.has(name)) return false;
    for (const [old, end] of this.#until) {
      if (end >= now && this.#until.size < signInLimits.usedMax) break;
      this.#until.delete(old);
    }
    this.#until.set(name, until);
    return true;
  }
}

/** Values behind one-time codes of 256 random bits, for a minute. Only those who are signed in make some. */
export class OneTimeCodes<T> {
  readonly #values = new Map<string, { value: T; until: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  make(value: T): string {
    const code = randomSecret();
    const [oldest] = this.#values.keys();
    if (this.#values.size >= signInLimits.codesMax && oldest !== undefined) this.#values.delete(oldest);
    this.#values.set(hashOf(code), { value, until: this.#now() + signInLimits.codeSecondsMax * 1000 });
    return code;
  }

  /** The value, once. @throws SIGN_IN_CODE */
  take(code: string): T {
    const key = hashOf(code);
    const found = this.#values.get(key);
    this.#values.delete(key);
    if (found === undefined || found.until < this.#now())
      throw new QuorateError('SIGN_IN_CODE', 'the code is unknown, expired or used', {
        hint: 'Start again.',
      });
    return found.value;
  }

  /** The value without using it; undefined when there is none. */
  peek(code: string): T | undefined {
    const found = this.#values.get(hashOf(code));
    return found === undefined || found.until < this.#now() ? undefined : found.value;
  }
}
