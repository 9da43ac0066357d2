import { codeOf, messageOf } from '../../protocol/base/errors.ts';
import { isoTime } from '../../protocol/base/time.ts';
import type { Grant, Verified } from '../../protocol/documents/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { pause, spread } from '../../protocol/sessions/timing.ts';
import type { WorkerPorts } from './ports.ts';
import { isExpelled } from './revocation-feed.ts';

/** A grant that has ended by the controller's clock, was given while that was ahead, or is from another provider. */
const endedCodes: ReadonlySet<string> = new Set([
  'DOC_EXPIRED',
  'DOC_FROM_FUTURE',
  'GRANT_ISSUER_MISMATCH',
  'GRANT_NOT_VALID_THEN',
]);

/** Whether a refusal with this code may be gone with a new grant. */
export const mayBeRenewed = (code: string): boolean => endedCodes.has(code);

type Around = Pick<WorkerPorts, 'clock' | 'credentials' | 'dial' | 'dispatch' | 'signing' | 'tell'>;

/**
 * Keeps a worker's grant valid for as long as the worker runs: renews it at half of its life, whatever its streams do, and
 * at once when the controller says that it has ended.
 */
export class GrantRenewal {
  readonly #ports: Around;
  #renewing: Promise<boolean> | undefined;
  /** Monotonic time of the last renewal that a refusal asked for. */
  #refreshedAt = Number.NEGATIVE_INFINITY;
  /** Why the last renewal failed. */
  #failure: string | null = null;
  #toldExpired = false;
  #expelled = false;

  constructor(ports: Around) {
    this.#ports = ports;
  }

  /** Why the worker gets no job, as far as its grant is the reason. */
  get trouble(): string | null {
    const { exp } = this.#ports.credentials.grant.payload;
    if (this.#ports.clock.now() < exp * 1000) return null;
    return `its grant ended at ${isoTime(exp * 1000)}${this.#failure === null ? '' : `, and cannot be renewed: ${this.#failure}`}`;
  }

  /** Until the node shuts down. */
  async run(): Promise<void> {
    const { clock, credentials, signing } = this.#ports;
    let wait: number = sessionTimes.renewalRetryMsMin;
    while (!clock.closing) {
      const due = credentials.renewAt - clock.now();
      if (due > 0) {
        await pause(clock, Math.min(due, sessionTimes.renewalLookMs));
        continue;
      }
      if (await this.renewDue()) {
        wait = sessionTimes.renewalRetryMsMin;
        continue;
      }
      await pause(clock, (this.#expelled ? sessionTimes.expelledMs : wait) * spread(signing));
      wait = Math.min(sessionTimes.renewalRetryMsMax, wait * 2);
    }
  }

  /** Renews a grant that is past half of its life. Returns whether the grant is good for longer now. */
  renewDue(): Promise<boolean> {
    const { clock, credentials } = this.#ports;
    return clock.now() < credentials.renewAt ? Promise.resolve(false) : this.#renew();
  }

  /** Renews a grant that was refused, whatever its age by the clock of this host. */
  async refresh(refused: Verified<Grant>): Promise<boolean> {
    const { clock, credentials } = this.#ports;
    if (credentials.grant.id !== refused.id) return true;
    if (this.#renewing !== undefined) return this.#renewing;
    if (clock.monotonic() - this.#refreshedAt < sessionTimes.renewalRefreshMs) return false;
    this.#refreshedAt = clock.monotonic();
    return this.#renew();
  }

  #renew(): Promise<boolean> {
    this.#renewing ??= this.#ask().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #ask(): Promise<boolean> {
    const { clock, credentials, dial, dispatch, tell } = this.#ports;
    try {
      await credentials.renew(dial);
    } catch (error) {
      if (clock.closing) return false;
      const first = this.#failure === null;
      this.#expelled = isExpelled(codeOf(error));
      this.#failure = `${codeOf(error)}: ${messageOf(error)}`;
      const { trouble } = this;
      if (trouble !== null && !this.#toldExpired) {
        this.#toldExpired = true;
        tell('warn', 'grant', `no job can be taken: ${trouble}`);
      } else if (first) {
        const ends = isoTime(credentials.grant.payload.exp * 1000);
        tell('warn', 'grant', `the grant could not be renewed; it ends at ${ends}: ${messageOf(error)}`);
      }
      return false;
    }
    if (clock.closing) return false;
    this.#failure = null;
    this.#toldExpired = false;
    this.#expelled = false;
    await dispatch({ kind: 'grant', grant: credentials.grant });
    tell('info', 'grant', `the grant was renewed, until ${isoTime(credentials.grant.payload.exp * 1000)}`);
    return true;
  }
}
