import { isUnread, Patience, patiently, type Waiting } from '../node/patience.ts';
import { codeOf, QuorateError } from '../protocol/base/errors.ts';
import { escapeValue } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';
import { receiptsMax } from '../protocol/documents/limits.ts';
import { judgeLimits } from '../protocol/judge/limits.ts';
import type { Question } from '../protocol/sessions/ask.ts';
import { errorFrom } from '../protocol/sessions/message-stream.ts';
import { unexpected } from '../protocol/sessions/run-source.ts';
import { wireLimits } from '../protocol/wire/limits.ts';
import type { ApiDown, ApiUp } from '../protocol/wire/messages.ts';
import type { Progress } from '../protocol/wire/progress.ts';
import { clientLimits } from './limits.ts';

/** Beginning of a log that is compared, in UTF-16 units: a log that was told from its middle begins otherwise. */
const headChars = 256;

interface Shown {
  head: string;
  chars: number;
}

/** Said where what was shown before is no longer at the beginning of what is told. */
export const gapNote = '[the connection was lost: some of this log may be missing here, or be shown twice]\n';

/** Logs as shown so far, by source. Each stream tells a log from its beginning, or a long one that still runs from where its end begins. */
export class ShownLogs {
  readonly #shown = new Map<string, Shown>();
  /** Of the stream that is read: what is still to be compared or passed over, by source. */
  #again = new Map<string, { told: string; left: number; isCompared: boolean }>();

  restart(): void {
    this.#again = new Map(
      [...this.#shown].map(([source, { chars }]) => [source, { told: '', left: chars, isCompared: false }]),
    );
  }

  /** The part of a piece that was not shown yet. */
  fresh(source: string, text: string): string {
    const known = this.#shown.get(source);
    if (known === undefined && this.#shown.size >= receiptsMax) throw tooMuch(`${receiptsMax} logs of a run`);
    const shown = known ?? { head: '', chars: 0 };
    this.#shown.set(source, shown);
    const fresh = this.#beyond(source, text, shown);
    shown.head = (shown.head + fresh).slice(0, headChars);
    shown.chars += fresh.length;
    return fresh;
  }

  #beyond(source: string, text: string, { head }: Shown): string {
    const again = this.#again.get(source);
    if (again === undefined) return text;
    let told = text;
    if (!again.isCompared) {
      again.told += text;
      told = again.told;
      if (head.startsWith(told)) return '';
      if (!told.startsWith(head)) {
        this.#again.delete(source);
        return gapNote + told;
      }
      again.isCompared = true;
    }
    const fresh = told.slice(again.left);
    again.left -= told.length - fresh.length;
    if (again.left === 0) this.#again.delete(source);
    return fresh;
  }
}

export interface TimedProgress {
  at: number;
  progress: Progress;
}

export interface LogChunk {
  worker: string;
  operator: string;
  slot: string;
  text: string;
  /** Of its lines, as its worker says, where they were asked for: with the first piece. */
  times?: string;
}

export interface LogOptions {
  follow: boolean;
  times?: boolean | undefined;
  worker?: string | undefined;
  signal: AbortSignal;
}

const { bringMsMax } = clientLimits;
/** Longest wait for the next answer of a followed run, in ms: as long as a request may last, and its last build. */
const quietMsMax = (judgeLimits.requestSecondsMax + limits.grantSecondsMax) * 1000;

/** Questions with several answers, each on a stream of its own. */
export class Following {
  readonly #open: (question: ApiUp, signal: AbortSignal) => Promise<Question>;
  readonly #waiting: Waiting;

  constructor(open: (question: ApiUp, signal: AbortSignal) => Promise<Question>, waiting: Waiting) {
    this.#open = open;
    this.#waiting = waiting;
  }

  /** Past progress, then live progress, each once, over as many streams as it takes; ends with the run. */
  async *follow(which: string, until: AbortSignal): AsyncGenerator<TimedProgress> {
    const { tell } = this.#waiting;
    const signal = AbortSignal.any([until, this.#waiting.signal]);
    const patience = new Patience({ signal, tell }, true);
    let seen = 0;
    for (;;) {
      try {
        // A stream tells the whole history.
        let count = 0;
        for await (const answer of this.#answers({ kind: 'follow', which }, signal)) {
          patience.progressed();
          if (answer.kind !== 'progress') continue;
          count += 1;
          if (count > wireLimits.historyMax) throw tooMuch(`${wireLimits.historyMax} events of a run`);
          if (count <= seen) continue;
          seen = count;
          // Null: of a later version, or damaged.
          if (answer.progress !== null)
            yield { at: answer.at, progress: escapeValue(answer.progress) as Progress };
        }
        return;
      } catch (error) {
        await patience.wait(error);
      }
    }
  }

  /** Logs, each piece once. Where they are followed, over as many streams as it takes; else a stream that was lost is an error. */
  async *logs(which: string, options: LogOptions): AsyncGenerator<LogChunk> {
    const { follow, worker } = options;
    const times = options.times === true ? ({ times: true } as const) : {};
    const signal = AbortSignal.any([options.signal, this.#waiting.signal]);
    const patience = new Patience({ ...this.#waiting, signal }, false);
    const shown = new ShownLogs();
    let isBegun = false;
    for (;;) {
      try {
        shown.restart();
        for await (const answer of this.#answers({ kind: 'logs', which, follow, worker, ...times }, signal)) {
          patience.progressed();
          isBegun = true;
          if (answer.kind !== 'output') continue;
          const { worker: by, operator, slot, times: told } = answer;
          const text = shown.fresh(`${by} ${slot}`, answer.text);
          if (text !== '')
            yield { worker: by, operator, slot, text, ...(told !== undefined && { times: told }) };
        }
        return;
      } catch (error) {
        if (!isUnread(error) && !(follow && isBegun)) throw error;
        await patience.wait(error);
      }
    }
  }

  /** Has the controller fetch a tree. Blocks that have arrived are kept. */
  bring(tree: string, publisher: string, onProgress: (bytes: number, total?: number) => void): Promise<void> {
    return patiently(this.#waiting, async () => {
      const { signal } = this.#waiting;
      for await (const answer of this.#answers({ kind: 'bring', tree, publisher }, signal, bringMsMax)) {
        if (answer.kind === 'brought') return;
        if (answer.kind !== 'bringing') throw unexpected('brought', answer);
        onProgress(answer.bytes, answer.total);
      }
    });
  }

  /** Up to `end`. @throws {QuorateError} `CONTROLLER_LOST`, and what the controller answers with */
  async *#answers(question: ApiUp, signal: AbortSignal, timeoutMs = quietMsMax): AsyncGenerator<ApiDown> {
    const stream = await this.#open(question, signal);
    try {
      for (;;) {
        const answer = await stream.receive({ timeoutMs }).catch((error: unknown) => {
          if (['MESH_RESET', 'MESH_TRUNCATED'].includes(codeOf(error))) throw lost(error);
          throw error;
        });
        if (answer === undefined) throw lost();
        if (answer.kind === 'error') throw errorFrom(answer);
        if (answer.kind === 'end') return;
        yield answer;
      }
    } finally {
      await stream.close();
    }
  }
}

const tooMuch = (what: string): QuorateError =>
  new QuorateError('CONTROLLER_UNEXPECTED_ANSWER', `it tells more than ${what}`);

function lost(cause?: unknown): QuorateError {
  return new QuorateError('CONTROLLER_LOST', 'the connection to the controller was lost', {
    hint: 'The job goes on: quorate jobs lists it, once the controller is back.',
    cause,
  });
}
