import { createHash, randomBytes } from 'node:crypto';
import type { Checks } from '../../identity/oidc/provider.ts';
import type { SignInRole } from '../../identity/oidc/settings.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { LongWork } from '../../store/index.ts';
import { signInLimits } from './limits.ts';

/** The right that a session rests on: why this person may be here. Asked several times a second, so that it ends at once. */
export interface Right {
  /** A PeerId, or issuer and subject (`personOf`). */
  readonly person: string;
  /** For people to read. */
  readonly name: string;
  /** The operator whose key it is; absent for an account, which is of none. */
  readonly operator?: string;
  /** The role that the person has now; undefined once the right is gone, which is for good. */
  role(): SignInRole | undefined;
}

/** Another service that knows people: an OpenID Connect provider, or the identity provider of the project. */
export interface Authority {
  readonly host: string;
  /** Where a browser is sent, and what `finish` compares with. */
  begin(callback: string): Promise<{ url: URL; checks: Checks }>;
  /** The person, from the address that the browser came back to. A `QuorateError` where it does not hold. */
  finish(callback: URL, checks: Checks): Promise<Right>;
}

/** Holders of a session: a cookie, a terminal's token, or the handle of a service that asks for somebody. */
type SessionKind = 'browser' | 'terminal' | 'service';

export interface Session extends Pick<Right, 'person' | 'name' | 'operator'> {
  readonly role: SignInRole;
  /** The token that a form of this session has to send back. */
  readonly csrf: string;
  /** Aborted when the session ends, whatever the reason: for streams. */
  readonly ended: AbortSignal;
  readonly right: Right;
}

interface Entry {
  session: Session;
  kind: SessionKind;
  end: AbortController;
  since: number;
  usedAt: number;
}

interface SessionTimes {
  /** Longest time of a session, and without a request, in milliseconds; asked each time. */
  lifetimes(): { sessionMs: number; idleMs: number };
  /** Milliseconds since the epoch. */
  now(): number;
}

export const randomSecret = (): string => randomBytes(32).toString('base64url');

/** How a secret is kept: who reads the memory of the process later has nothing to sign in with. */
export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

/** Sessions of who is signed in. They end in time, unused, by `end`, and within `sweepMs` of a change of their right. */
export class Sessions {
  readonly #times: SessionTimes;
  readonly #entries = new Map<string, Entry>();
  #timer: NodeJS.Timeout | undefined;

  constructor(times: SessionTimes) {
    this.#times = times;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A new session and its secret, which is not kept. @throws SIGN_IN_NO_ROLE, SIGN_IN_BUSY */
  start(right: Right, kind: SessionKind): { secret: string; session: Session } {
    const role = right.role();
    if (role === undefined)
      throw new QuorateError('SIGN_IN_NO_ROLE', `${right.name} (${right.person}) has no role here`, {
        hint: 'The owner gives roles by rules in sign-in.toml.',
      });
    this.#makeRoom(right.person);
    const secret = randomSecret();
    const end = new AbortController();
    const { person, name, operator } = right;
    const owner = { person, name, ...(operator !== undefined && { operator }) };
    const session = { ...owner, role, right, csrf: randomSecret(), ended: end.signal };
    const now = this.#times.now();
    const key = hashOf(secret);
    this.#entries.set(key, { session, kind, end, since: now, usedAt: now });
    this.#timer ??= this.#nextSweep();
    return { secret, session };
  }

  /** The session of a secret, used now; undefined when there is none, or none any more. */
  find(secret: string, kind: SessionKind): Session | undefined {
    const key = hashOf(secret);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.kind !== kind) return undefined;
    if (this.#isOver(entry)) {
      this.#end(key);
      return undefined;
    }
    entry.usedAt = this.#times.now();
    return entry.session;
  }

  end(secret: string): void {
    this.#end(hashOf(secret));
  }

  close(): void {
    for (const key of this.#entries.keys()) this.#end(key);
  }

  #isOver({ session: { right, role }, kind, since, usedAt }: Entry): boolean {
    const now = this.#times.now();
    const { sessionMs, idleMs } = this.#times.lifetimes();
    // A service asks for the time that somebody is there, which is not use by the person.
    const isIdle = kind !== 'service' && now - usedAt > idleMs;
    return now - since > sessionMs || isIdle || right.role() !== role;
  }

  /** In slices: there may be thousands. */
  async #sweepLater(): Promise<void> {
    const slices = new LongWork();
    for (const [key, entry] of this.#entries) {
      if (this.#isOver(entry)) this.#end(key);
      if (slices.isOver) await slices.next();
    }
    this.#timer = this.#entries.size === 0 ? undefined : this.#nextSweep();
  }

  #nextSweep(): NodeJS.Timeout {
    return setTimeout(() => void this.#sweepLater(), signInLimits.sweepMs).unref();
  }

  #makeRoom(person: string): void {
    const mine: string[] = [];
    for (const [key, entry] of this.#entries) {
      if (entry.session.person !== person) continue;
      if (this.#isOver(entry)) this.#end(key);
      else mine.push(key);
    }
    const [oldest = ''] = mine;
    if (mine.length >= signInLimits.sessionsPerPersonMax) this.#end(oldest);
    if (this.#entries.size >= signInLimits.sessionsMax)
      throw new QuorateError('SIGN_IN_BUSY', `${signInLimits.sessionsMax} people are signed in already`, {
        hint: 'Try again later.',
      });
  }

  #end(key: string): void {
    this.#entries.get(key)?.end.abort();
    this.#entries.delete(key);
  }
}
