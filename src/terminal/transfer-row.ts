import { TransferMeter, type TransferState, transferText } from '../protocol/base/transfer-meter.ts';
import { duration } from './format.ts';
import type { Board, Output } from './output.ts';

/** Where rows cannot change in place, a transfer is reported this often. */
const lineMs = 10_000;
/** A step that counts no bytes shows its time from then on. */
const shortMs = 2_000;

/**
 * The step of a command: a row that changes in place on a terminal, elsewhere a line for each step and from time to time, with --json events
 * `progress`.
 */
export class TransferRow {
  readonly #out: Output;
  readonly #board: Board;
  readonly #timer: NodeJS.Timeout;
  #meter = new TransferMeter();
  #says = '';
  #since = performance.now();

  constructor(out: Output, options: { everyMs: number } = { everyMs: lineMs }) {
    this.#out = out;
    this.#board = out.board();
    this.#timer = setInterval(() => this.#again(), options.everyMs).unref();
  }

  /** One step after the other; `bytes` and `total` are of this step. */
  set(says: string, bytes?: number, total?: number): void {
    const isNew = says !== this.#says;
    if (isNew) [this.#says, this.#meter, this.#since] = [says, new TransferMeter(), performance.now()];
    if (bytes !== undefined) this.#meter.add(performance.now(), bytes, total);
    if (this.#board.live) this.#board.set('transfer', { text: says, changing: () => this.#text() });
    else if (isNew) this.#say();
  }

  /** Leaves a terminal's row in place; further steps begin below. */
  rest(): void {
    this.#says = '';
    this.#board.end();
  }

  /** Leaves a terminal's row in place. */
  end(): void {
    clearInterval(this.#timer);
    this.#board.end();
  }

  #again(): void {
    if (this.#board.live || this.#says === '') return;
    if (this.#state() !== undefined) this.#say();
    else if (this.#ms > shortMs) this.#out.say(this.#text());
  }

  #say(): void {
    this.#out.value({ event: 'progress', says: this.#says, ...this.#state() });
    this.#out.say(this.#text());
  }

  #text(): string {
    const state = this.#state();
    if (state !== undefined) return `${this.#says}: ${transferText(state)}`;
    return this.#ms > shortMs ? `${this.#says}, for ${duration(this.#ms)}` : this.#says;
  }

  get #ms(): number {
    return performance.now() - this.#since;
  }

  #state(): TransferState | undefined {
    return this.#meter.state(performance.now());
  }
}
