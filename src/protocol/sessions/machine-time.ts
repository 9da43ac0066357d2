import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { isoTime } from '../base/time.ts';
import { sessionTimes } from './limits.ts';
import type { Clock } from './ports.ts';

/** The machine's time and the wall clock may differ by this much: as much as documents are taken with. */
const differenceMsMax = limits.clockSkewSeconds * 1000;
/** How much faster or slower the machine's time runs until it agrees with the wall clock again. */
const slewShare = 0.1;

const look = 'Look at the clock of this host (timedatectl)';

/**
 * The time of a state machine: starts at the wall clock and goes on with the monotonic one, so that a wall clock that is set ends no
 * silence; follows small corrections slowly. A larger difference stops the node, since either clock may be wrong.
 */
export class MachineTime {
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>;
  #time: number;
  #monotonic: number;
  /** Monotonic time since which the wall clock differs by too much. */
  #disturbedAt: number | undefined;

  /** Begins now. */
  constructor(clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.#clock = clock;
    this.#time = clock.now();
    this.#monotonic = clock.monotonic();
  }

  /** Is not before `last`, the time of the last event in the journal. @throws `CLOCK_BEHIND`. */
  follow(last: number): void {
    const time = this.now();
    if (last - time > differenceMsMax)
      throw new QuorateError(
        'CLOCK_BEHIND',
        `the clock of this host says ${isoTime(time)}, and the last event of its journal is of ${isoTime(last)}`,
        {
          hint: `${look} and set it where it is wrong: sudo timedatectl set-ntp true. Where it is right now and was wrong then, start once with --accept-clock: what waits for the wrong time is given up.`,
        },
      );
    this.#time = Math.max(this.#time, last);
  }

  /** Milliseconds since the epoch, whole ones; never less than before. @throws `CLOCK_JUMPED`. */
  now(): number {
    const { monotonic, wall, expected, difference } = this.#advance();
    if (this.#disturbedAt !== undefined && monotonic - this.#disturbedAt > sessionTimes.disturbanceMs) {
      const seconds = Math.round(Math.abs(difference) / 1000);
      throw new QuorateError(
        'CLOCK_JUMPED',
        `the clock of this host was set ${difference > 0 ? 'forward' : 'back'} by ${seconds} s: it says ${isoTime(wall)}, and ${isoTime(expected)} was due`,
        {
          hint: `${look}, and start again once it is right. Nothing was recorded under the other time.`,
        },
      );
    }
    return Math.floor(this.#time);
  }

  /** The same for documents, which goes on while the wall clock differs: nothing valid is refused meanwhile, and the next event stops the node. */
  steady(): number {
    this.#advance();
    return Math.floor(this.#time);
  }

  #advance() {
    const monotonic = this.#clock.monotonic();
    const passed = Math.max(0, monotonic - this.#monotonic);
    const wall = this.#clock.now();
    const expected = this.#time + passed;
    const difference = wall - expected;
    this.#monotonic = monotonic;
    if (Math.abs(difference) <= differenceMsMax) {
      this.#disturbedAt = undefined;
      const slew = passed * slewShare;
      this.#time = expected + Math.max(-slew, Math.min(slew, difference));
    } else {
      this.#time = expected;
      this.#disturbedAt ??= monotonic;
    }
    return { monotonic, wall, expected, difference };
  }
}
