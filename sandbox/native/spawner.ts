import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import { QuorateError } from '../../src/protocol/base/errors.ts';

/** Streams that one process of the native program hands out before another takes its place. */
const streamsOfBatch = 120;
/** The first of them: below are requests, answers and errors. */
const firstStream = 3;

const requestKind = { start: 0, kill: 1 };
const answerKind = { started: 0, ended: 1, failed: 2 };
const answerBytes = 12;
const groupFlag = 1;
const killSignal = 9;

export interface ProgramToStart {
  /** Path of the program, and its arguments. */
  readonly words: readonly string[];
  readonly folder: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** In a session of its own, so that `kill` reaches the processes it starts as well. */
  readonly group?: boolean;
}

/** `code` is null where a signal ended it, or where it could not be started. */
interface ProgramEnd {
  readonly code: number | null;
}

export interface StartedProgram {
  /** Descriptors 0, 1, … of the program. */
  readonly streams: Duplex[];
  readonly ended: Promise<ProgramEnd>;
  /** SIGKILL. */
  kill(): void;
}

/**
 * Starts programs by a small process (`serve` of the native program). Node starts one with fork(2), which copies the page tables of this process
 * and makes its next write to each page fault: 7 ms of processor time at 190 MB.
 */
export class Spawner {
  readonly #native: string;
  #batch: Batch | undefined;

  /** @param native path of the native program */
  constructor(native: string) {
    this.#native = native;
  }

  /** Starts a program with `count` streams and no other descriptor. @throws SANDBOX_FAILED */
  start(program: ProgramToStart, count: number): StartedProgram {
    if (this.#batch === undefined || !this.#batch.takes(count)) {
      this.#batch?.last();
      this.#batch = new Batch(this.#native);
    }
    return this.#batch.start(program, count);
  }

  /** Kills what still runs. */
  close(): void {
    this.#batch?.last();
    this.#batch?.kill();
  }
}

/** Keeps this process alive, or no longer. */
interface Held {
  ref(): void;
  unref(): void;
}

/** One process of the native program, and the streams it has left. */
class Batch {
  readonly #child: ChildProcess;
  readonly #requests: Writable;
  readonly #running = new Map<number, (end: ProgramEnd) => void>();
  #next = firstStream;
  #id = 0;
  #last = false;
  #over = false;

  constructor(native: string) {
    const pipes = Array.from({ length: streamsOfBatch }, () => 'pipe' as const);
    const stdio = ['pipe', 'pipe', 'ignore', ...pipes] as const;
    const child = spawn(native, ['serve', String(firstStream)], { cwd: '/', env: {}, stdio: [...stdio] });
    this.#child = child;
    const over = (): void => {
      this.#over = true;
      for (const end of this.#running.values()) end({ code: null });
      this.#running.clear();
      for (const stream of this.#streams(this.#next, firstStream + streamsOfBatch - this.#next))
        stream.destroy();
    };
    child.once('error', over);
    child.once('exit', over);
    // Where a pipe cannot be made Node gives the process no streams, and says why later.
    if (child.pid === undefined && !Array.isArray(child.stdio))
      throw new QuorateError('SANDBOX_FAILED', `no stream to ${native} can be opened`, {
        hint: 'Too many files are open: raise the limit of file descriptors (ulimit -n).',
      });
    // It ends with this process: what it waits for keeps nothing alive.
    child.unref();
    const [answers, requests] = [child.stdout as Readable & Held, child.stdin as Writable & Held];
    for (const stream of [answers, requests, ...this.#streams(firstStream, streamsOfBatch)]) stream.unref();
    requests.on('error', () => {});
    this.#requests = requests;
    let rest = Buffer.alloc(0);
    answers.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      for (; rest.byteLength >= answerBytes; rest = rest.subarray(answerBytes)) this.#answered(rest);
    });
  }

  takes(count: number): boolean {
    return !this.#over && !this.#last && this.#next + count <= firstStream + streamsOfBatch;
  }

  start({ words, folder, variables = {}, group = false }: ProgramToStart, count: number): StartedProgram {
    const id = ++this.#id;
    const first = this.#next;
    this.#next += count;
    const streams = this.#streams(first, count);
    for (const stream of streams) stream.ref();
    const { promise: ended, resolve } = Promise.withResolvers<ProgramEnd>();
    this.#running.set(id, resolve);
    // Input that the program has not read is discarded when it ends.
    void ended.then(() => streams[0]?.destroy());
    streams[0]?.on('error', () => {}).resume();
    this.#child.ref();
    const pairs = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const strings = [folder, ...words, ...pairs];
    if (strings.some((text) => text.includes('\0')))
      throw new QuorateError('SANDBOX_FAILED', 'a word of a command holds a zero byte');
    const flags = group ? groupFlag : 0;
    this.#request(
      [requestKind.start, id, flags, first, count, words.length, pairs.length],
      Buffer.from(strings.map((text) => `${text}\0`).join('')),
    );
    return { streams, ended, kill: () => this.#request([requestKind.kill, id, killSignal]) };
  }

  /** Starts no further program; the process ends with the last one that runs. */
  last(): void {
    this.#last = true;
    if (this.#running.size === 0) this.kill();
  }

  /** Ends the requests, upon which the process kills what runs, and ends. */
  kill(): void {
    this.#requests.end();
  }

  #streams(first: number, count: number): (Duplex & Held)[] {
    return (this.#child.stdio ?? []).slice(first, first + count) as unknown as (Duplex & Held)[];
  }

  #request(numbers: readonly number[], strings: Buffer = Buffer.alloc(0)): void {
    if (this.#over || !this.#requests.writable) return;
    const head = Buffer.alloc(4 + numbers.length * 4);
    head.writeUInt32LE(numbers.length * 4 + strings.byteLength);
    for (const [index, number] of numbers.entries()) head.writeUInt32LE(number, 4 + index * 4);
    this.#requests.write(Buffer.concat([head, strings]));
  }

  #answered(answer: Buffer): void {
    const [id, kind, value] = [answer.readUInt32LE(0), answer.readUInt32LE(4), answer.readUInt32LE(8)];
    if (kind === answerKind.started) return;
    const end = this.#running.get(id);
    this.#running.delete(id);
    // The low seven bits of a status are the signal, the next eight bits the code (wait(2)).
    const code = kind === answerKind.ended && (value & 0x7f) === 0 ? (value >> 8) & 0xff : null;
    end?.({ code });
    if (this.#running.size > 0) return;
    this.#child.unref();
    if (this.#last) this.kill();
  }
}

let shared: Spawner | undefined;
let asked = 0;

/** The spawner of this process: from the second time on, since it costs as much as one start. */
export function sharedSpawner(native: string): Spawner | undefined {
  asked += 1;
  if (asked > 1) shared ??= new Spawner(native);
  return shared;
}
