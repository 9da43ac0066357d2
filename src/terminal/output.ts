import type { Writable } from 'node:stream';
import { createColors } from 'picocolors';
import { escapeColouredText, jsonLine } from '../protocol/base/escape.ts';
import { shortId } from '../protocol/base/text.ts';
import { cutTo, laid, table } from './layout.ts';

export interface Sink extends Writable {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

/** Columns where the output is no terminal, and the least that text is laid out for. */
const widthWithout = 80;
const widthMin = 20;

export type Colours = ReturnType<typeof createColors>;

/** An id as text: short for a person at a terminal, whole for what reads a pipe. Commands take the first ten characters of a run's. */
const shownId = ({ isTTY }: Sink, id: string): string =>
  isTTY !== true ? id : /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 10) : shortId(id);

/** A terminal that does not know its width says 0. */
const widthOf = ({ columns = 0 }: Sink): number => (columns > 0 ? Math.max(widthMin, columns) : widthWithout);

const laidOn = (sink: Sink, lines: readonly string[]): string[] =>
  sink.isTTY === true ? lines.flatMap((line) => laid(line, widthOf(sink))) : [...lines];

/** Lines as they go to a terminal. Foreign text is escaped where it is read; control characters that were passed over there are escaped here, except colours. */
const written = (lines: readonly string[]): string =>
  lines.map((line) => `${escapeColouredText(line)}\n`).join('');

/** Output of a command: text, or with `json` JSON; never both on one stream. */
export class Output {
  readonly json: boolean;
  readonly colours: Colours;
  readonly #out: Sink;
  readonly #err: Sink;

  /** Whether journald reads what is printed: lines of a log then begin with their priority. */
  readonly journald: boolean;
  readonly #cursor: boolean;
  /** The last one made: lines are printed above its rows. */
  #board: Board | undefined;

  /** `cursor`: whether a terminal can move it; yes unless told. */
  constructor(
    out: Sink,
    err: Sink,
    options: { json: boolean; colour: boolean; cursor?: boolean; journald?: boolean },
  ) {
    this.json = options.json;
    this.journald = options.journald ?? false;
    this.#cursor = options.cursor ?? true;
    this.#out = out;
    this.#err = err;
    this.colours = createColors(options.colour && !options.json);
  }

  asJson(): Output {
    return new Output(this.#out, this.#err, { json: true, colour: false, journald: this.journald });
  }

  get isTerminal(): boolean {
    return this.#out.isTTY === true;
  }

  /** Columns of the terminal; 80 where the output is none. */
  get width(): number {
    return widthOf(this.#out);
  }

  /** An id of a run, a key or a tree: short on a terminal. */
  id(id: string): string {
    return shownId(this.#out, id);
  }

  /** Prints lines of text, on a terminal broken between words to fit it; nothing with --json. */
  say(...lines: string[]): void {
    this.print(...laidOn(this.#out, lines));
  }

  /** Prints lines as they are: of logs, files, what was laid out already. Nothing with --json. */
  print(...lines: string[]): void {
    if (this.json) return;
    if (this.#board?.isDrawn) for (const line of lines) this.#board.print(line);
    else this.#out.write(written(lines));
  }

  /** Prints rows in columns, or as blocks where these do not fit. Nothing is cut. */
  table(rows: readonly (readonly string[])[], indent = ''): void {
    this.print(...this.tableLines(rows, indent));
  }

  tableLines(rows: readonly (readonly string[])[], indent = ''): string[] {
    return table(rows, { width: this.width, indent, breaks: this.isTerminal });
  }

  /** Prints one JSON value on one line; nothing without --json. */
  value(value: unknown): void {
    if (this.json) this.#out.write(`${jsonLine(value)}\n`);
  }

  /** Prints a line on standard error, with and without --json. */
  note(line: string): void {
    this.#err.write(written(laidOn(this.#err, [line])));
  }

  /** Rows that change in place on a terminal, and are printed once per change elsewhere. */
  board(): Board {
    const live = this.#out.isTTY === true && !this.json && this.#cursor;
    this.#board = new Board(this.#out, { live, silent: this.json });
    return this.#board;
  }

  /** Rows that are printed once, as they are when they end: of what is over. */
  lastRows(): Board {
    return new Board(this.#out, { live: false, silent: this.json, last: true });
  }
}

/** A row of a board: `changing` gives its text on a terminal, `text` is printed elsewhere. */
export interface Row {
  text: string;
  changing?: () => string;
  /** Shortens the text for a narrow terminal. */
  brief?: (text: string, width: number) => string;
  /** Colours the text after truncation. */
  paint?: (text: string) => string;
}
const refreshMs = 1000;

/** Rows that change in place below lines that stay. Texts must be single lines without control characters. */
export class Board {
  readonly #out: Sink;
  /** Elsewhere than on a terminal rows are printed with what ends them, as they are then. */
  readonly #last: boolean;
  readonly #silent: boolean;
  #live: boolean;
  readonly #rows = new Map<string, Row>();
  readonly #printed = new Map<string, string>();
  #drawn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(out: Sink, options: { live: boolean; silent: boolean; last?: boolean }) {
    this.#out = out;
    this.#last = options.last ?? false;
    this.#live = options.live;
    this.#silent = options.silent;
  }

  set(key: string, row: Row): void {
    if (this.#silent) return;
    this.#rows.set(key, row);
    // The cursor cannot move over more rows than the terminal has.
    if (this.#live && this.#rows.size + 2 > (this.#out.rows ?? 24)) this.#leaveLive();
    if (this.#live) {
      this.#timer ??= setInterval(() => this.#draw(), refreshMs).unref();
      this.#draw();
      return;
    }
    if (this.#last) return;
    if (this.#printed.get(key) !== row.text) this.#out.write(written([painted(row, row.text)]));
    this.#printed.set(key, row.text);
  }

  /** A line of text, as `Output.say` prints it. */
  say(line: string): void {
    for (const one of laidOn(this.#out, [line])) this.print(one);
  }

  print(line: string): void {
    if (this.#silent) return;
    if (this.#live) this.#draw(line);
    else this.#out.write(written([line]));
  }

  id(id: string): string {
    return shownId(this.#out, id);
  }

  /** Whether rows stand below the last line. */
  get isDrawn(): boolean {
    return this.#drawn > 0;
  }

  /** Whether each change of a row is a line of its own. */
  get printsChanges(): boolean {
    return !this.#live && !this.#last;
  }

  /** A row changes no more: among rows that are printed once, it comes before the lines from now on. */
  settle(key: string): void {
    const row = this.#rows.get(key);
    if (!this.#last || this.#silent || row === undefined) return;
    this.#rows.delete(key);
    this.#out.write(written([painted(row, row.text)]));
  }

  /** Whether rows change in place. */
  get live(): boolean {
    return this.#live;
  }

  remove(key: string): void {
    this.#printed.delete(key);
    if (!this.#rows.delete(key) || !this.#live) return;
    this.#draw();
    if (this.#rows.size === 0) this.end();
  }

  erase(): void {
    this.#rows.clear();
    if (this.#drawn > 0) this.end();
  }

  /** Leaves the rows in place; new ones begin below. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#live && !this.#silent) this.#draw();
    if (this.#last) for (const key of this.#rows.keys()) this.settle(key);
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
    // One column stays free: a full line wraps on some terminals.
    const width = widthOf(this.#out) - 1;
    const rows = [...this.#rows.values()].map((row) => {
      const text = row.changing?.() ?? row.text;
      return painted(row, cutTo(text.length > width ? (row.brief?.(text, width) ?? text) : text, width));
    });
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : '';
    const lines = above === undefined ? rows : [above, ...rows];
    // Clears to the end of the screen: the lines may be fewer than before.
    this.#out.write(`${up}\u001b[J${written(lines)}`);
    this.#drawn = rows.length;
  }
}

const painted = ({ paint }: Row, text: string): string => paint?.(text) ?? text;
