import type { Scenario, Work } from './scenario.ts';

/** A request that lasts as long is taken in time: faults are over by then. */
const longSeconds = 1800;

/** Jobs and revocations that a controller is asked for, and whether it took them. */
export class Wanted {
  readonly #scenario: Pick<Scenario, 'works' | 'revokes' | 'theft'>;
  /** How many revocations of the owner are in the log. */
  readonly #logged: () => number;
  /** Names of jobs that were taken, or will not be: their request expired before, or a restore lost it. */
  readonly #settled = new Set<string>();
  /** Names of those whose request was refused until it expired. */
  readonly #refused = new Set<string>();

  constructor(scenario: Pick<Scenario, 'works' | 'revokes' | 'theft'>, logged: () => number) {
    this.#scenario = scenario;
    this.#logged = logged;
  }

  /** The controller took a job, or its publisher gave it up after `refusal`, the code of the last one. */
  settled({ name, expiresSeconds }: Work, refusal?: string): void {
    this.#settled.add(name);
    if (refusal === 'DOC_EXPIRED' && expiresSeconds >= longSeconds) this.#refused.add(name);
  }

  get isSettled(): boolean {
    return this.#settled.size === this.#scenario.works.length && !this.#lacksRevocation;
  }

  /** Jobs and revocations that the controller did not take, as names for a report. */
  get untaken(): string[] {
    const { works } = this.#scenario;
    const names = works.map(({ name }) => name);
    const jobs = names.filter((name) => !this.#settled.has(name) || this.#refused.has(name));
    return [...jobs, ...(this.#lacksRevocation ? ['a revocation of the owner'] : [])];
  }

  get #lacksRevocation(): boolean {
    const { revokes, theft } = this.#scenario;
    return this.#logged() < [revokes, theft].filter((one) => one !== undefined).length;
  }
}
