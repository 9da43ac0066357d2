import type { Writable } from 'node:stream';
import { createColors } from 'picocolors';
import { cutTo } from './format.ts';

/** A terminal, a file or a pipe. */
export interface Sink extends Writable {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

export type Colours = ReturnType<typeof createColors>;

/** What a command says, in the two forms: for people, or with `json` for programs, never both on one stream. */
export class Output {
  readonly json: boolean;
  readonly colours: Colours;
  readonly #out: Sink;
  readonly #err: Sink;

  constructor(out: Sink, err: Sink, options: { json: boolean; colour: boolean }) {
    this.json = options.json;
    this.#out = out;
    this.#err = err;
    this.colours = createColors(options.colour && !options.json);
  }

  /** Lines for people; nothing with --json. */
  say(...lines: string[]): void {
    if (!this.json) this.#out.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** One value on one line for programs; nothing without --json. */
  value(value: unknown): void {
    if (this.json) this.#out.write(`${JSON.stringify(value)}\n`);
  }

  /** For people in both forms, beside the answer: on standard error. */
  note(line: string): void {
    this.#err.write(`${line}\n`);
  }

  /** Lines that change in place on a terminal, and are printed once per change elsewhere. */
  board(options: { live: boolean } = { live: true }): Board {
    const live = options.live && this.#out.isTTY === true && !this.json;
    return new Board(this.#out, { live, silent: this.json });
  }
}

/** `changing` gives text that moves with time; `text` is what to print where nothing can move. */
export interface Row {
  text: string;
  changing?: () => string;
  /** Says the same shorter, where the terminal is too narrow for it. */
  brief?: (text: string) => string;
  /** Colours a row after it was cut to the width. */
  paint?: (text: string) => string;
}
const refreshMs = 1000;

/** A few living lines below those that stay. Texts must be one line each and harmless. */
export class Board {
  readonly #out: Sink;
  readonly #silent: boolean;
  #live: boolean;
  readonly #rows = new Map<string, Row>();
  readonly #printed = new Map<string, string>();
  #drawn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(out: Sink, options: { live: boolean; silent: boolean }) {
    this.#out = out;
    this.#live = options.live;
    this.#silent = options.silent;
  }

  set(key: string, row: Row): void {
    if (this.#silent) return;
    this.#rows.set(key, row);
    // More rows than the terminal has cannot be moved over.
    if (this.#live && this.#rows.size + 2 > (this.#out.rows ?? 24)) this.#leaveLive();
    if (this.#live) {
      this.#timer ??= setInterval(() => this.#draw(), refreshMs).unref();
      this.#draw();
      return;
    }
    if (this.#printed.get(key) !== row.text) this.#out.write(`${painted(row, row.text)}\n`);
    this.#printed.set(key, row.text);
  }

  /** A line that stays, above the living ones. */
  say(line: string): void {
    if (this.#silent) return;
    if (this.#live) this.#draw(line);
    else this.#out.write(`${line}\n`);
  }

  /** Whether rows change in place. */
  get live(): boolean {
    return this.#live;
  }

  /** Living rows are gone, as if they had never been. */
  erase(): void {
    this.#rows.clear();
    if (this.#drawn > 0) this.end();
  }

  /** The rows stay as they are, and new ones begin below. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#live && !this.#silent) this.#draw();
    this.#rows.clear();
    this.#printed.clear();
    this.#drawn = 0;
  }

  #leaveLive(): void {
    this.#live = false;
    clearInterval(this.#timer);
    for (const [key, { text }] of this.#rows) this.#printed.set(key, text);
  }

  #draw(above?: string): void {
    // One column stays free: a full line would wrap on some terminals and move all that follows.
    const width = Math.max(8, (this.#out.columns ?? 80) - 1);
    const rows = [...this.#rows.values()].map((row) => {
      const text = row.changing?.() ?? row.text;
      return painted(row, cutTo(text.length > width ? (row.brief?.(text) ?? text) : text, width));
    });
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : '';
    const lines = above === undefined ? rows : [above, ...rows];
    // Clears to the end of the screen: what stays above may be longer than the row it replaces.
    this.#out.write(`${up}\u001b[J${lines.map((line) => `${line}\n`).join('')}`);
    this.#drawn = rows.length;
  }
}

const painted = ({ paint }: Row, text: string): string => paint?.(text) ?? text;
