import { checkJsonLine } from '../../support/json-outputs.ts';
import { deadlineMs, within } from './wait.ts';

/** One line of a program that speaks JSON: what it tells (`event`), an answer, or `error`. */
export type Line = Record<string, unknown>;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A command, in whichever process it runs, with all it told so far. */
export abstract class Told {
  readonly name: string;
  readonly lines: Line[] = [];
  abstract readonly ended: Promise<Ended>;
  stderr = '';
  /** Standard output that is no JSON. */
  text = '';
  #isOver = false;
  readonly #looks = new Set<() => void>();

  readonly #args: readonly string[];

  /** `args`: words of the command, where it is one of quorate. */
  constructor(name: string, args: readonly string[] = []) {
    this.name = name;
    this.#args = args;
  }

  /** Takes a line of standard output. */
  protected take(line: string): void {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === 'object' && value !== null) return this.takeValue(value as Line);
    } catch {
      // Not JSON: kept as text.
    }
    this.text += `${line}\n`;
    this.#changed();
  }

  protected takeValue(value: Line): void {
    if (this.#args.length > 0) checkJsonLine(this.#args, value);
    this.lines.push(value);
    this.#changed();
  }

  protected over(): void {
    this.#isOver = true;
    this.#changed();
  }

  #changed(): void {
    for (const look of [...this.#looks]) look();
  }

  get alive(): boolean {
    return !this.#isOver;
  }

  /** Position in what it told so far, for `event` to look only at what comes later. */
  mark(): number {
    return this.lines.length;
  }

  /** All lines with this `event`. */
  all(event: string): Line[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** The result of `look` on its output, once there is one; fails when the program ends without. */
  async told<T>(what: string, look: () => T | undefined | false, ms = deadlineMs): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const again = () => {
      const { alive } = this;
      const found = look();
      if (found !== undefined && found !== false) resolve(found);
      else if (!alive) reject(new Error(`${this.name} ended without ${what}\n${this.report()}`));
    };
    this.#looks.add(again);
    again();
    try {
      return await within(() => `${what} of ${this.name}\n${this.report()}`, promise, ms);
    } finally {
      this.#looks.delete(again);
    }
  }

  /** The first line with this `event` after `since`; fails when the program ends without it. */
  event(
    event: string,
    options: { since?: number; ms?: number; where?: (line: Line) => boolean } = {},
  ): Promise<Line> {
    const { since = 0, ms, where = () => true } = options;
    const look = () => this.lines.slice(since).find((line) => line.event === event && where(line));
    return this.told(`"${event}"`, look, ms);
  }

  /** That many lines with this `event` after `since`. */
  events(event: string, count: number, since = 0): Promise<Line[]> {
    return this.told(`${count} times "${event}"`, () => {
      const found = this.lines.slice(since).filter((line) => line.event === event);
      return found.length >= count && found;
    });
  }

  /** Waits for the end by itself. */
  end(ms?: number): Promise<Ended> {
    return within(() => `the end of ${this.name}\n${this.report()}`, this.ended, ms);
  }

  /** Asks it to stop, and waits until it has. */
  abstract stop(name?: NodeJS.Signals): Promise<Ended>;

  /** Its last output, for a failing test's message. */
  report(): string {
    const said = this.lines.slice(-12).map((line) => JSON.stringify(line).slice(0, 400));
    const error = this.lines.findLast((line) => line.error !== undefined)?.error as Line | undefined;
    // In the first line: it may be the only one that is kept of a failure.
    const first = error === undefined ? '' : `: ${error.code}: ${error.message}`;
    return [`--- ${this.name}${first}`, ...said, this.text.slice(-1000), this.stderr.slice(-1000)].join('\n');
  }
}

const running = new Set<Told>();
export const started = (one: Told): void => void running.add(one);
export const finished = (one: Told): void => void running.delete(one);

/** Everything that was started in this file and still runs. */
export const stillRunning = (): Told[] => [...running];
