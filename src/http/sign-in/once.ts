import { QuorateError } from '../../protocol/base/errors.ts';
import { signInLimits } from './limits.ts';
import { hashOf, randomSecret } from './sessions.ts';

/**
 * Values by name, each until its time. Of as many as there may be, the oldest gives its place to the next one; of as many as one
 * person may have, the oldest of that person.
 */
export class Remembered<T> {
  readonly #max: number;
  readonly #now: () => number;
  readonly #values = new Map<string, { value: T; until: number; person: string | undefined }>();

  /** @param now milliseconds since the epoch */
  constructor(max: number, now: () => number) {
    [this.#max, this.#now] = [max, now];
  }

  get(name: string): T | undefined {
    const found = this.#values.get(name);
    return found === undefined || found.until < this.#now() ? undefined : found.value;
  }

  /** @param until in milliseconds since the epoch */
  set(name: string, value: T, until: number, person?: string): void {
    const now = this.#now();
    if (person !== undefined) this.#makeRoomOf(person);
    for (const [oldest, { until: end }] of this.#values) {
      if (end >= now && this.#values.size < this.#max) break;
      this.#values.delete(oldest);
    }
    this.#values.set(name, { value, until, person });
  }

  #makeRoomOf(person: string): void {
    const own = [...this.#values].filter(([, entry]) => entry.person === person);
    const [oldest] = own;
    if (oldest !== undefined && own.length >= signInLimits.codesPerPersonMax) this.#values.delete(oldest[0]);
  }

  take(name: string): T | undefined {
    const value = this.get(name);
    this.#values.delete(name);
    return value;
  }
}

/** Names that count once, each remembered until it would have expired anyway. */
export class UsedNames {
  readonly #names: Remembered<true>;

  constructor(now: () => number) {
    this.#names = new Remembered(signInLimits.usedMax, now);
  }

  /** False for a name that was used before. @param until when it expires by itself, in milliseconds since the epoch */
  use(name: string, until: number): boolean {
    if (this.#names.get(name) === true) return false;
    this.#names.set(name, true, until);
    return true;
  }
}

/** Values behind one-time codes of 256 random bits, for a minute. Only those who are signed in make some. */
export class OneTimeCodes<T> {
  readonly #values: Remembered<T>;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#values = new Remembered(signInLimits.codesMax, now);
    this.#now = now;
  }

  make(value: T, person: string): string {
    const code = randomSecret();
    this.#values.set(hashOf(code), value, this.#now() + signInLimits.codeSecondsMax * 1000, person);
    return code;
  }

  /** The value, once. @throws SIGN_IN_CODE */
  take(code: string): T {
    const value = this.#values.take(hashOf(code));
    if (value === undefined)
      throw new QuorateError('SIGN_IN_CODE', 'the code is unknown, expired or used', {
        hint: 'Start again.',
      });
    return value;
  }

  /** The value without using it; undefined when there is none. */
  peek(code: string): T | undefined {
    return this.#values.get(hashOf(code));
  }
}
