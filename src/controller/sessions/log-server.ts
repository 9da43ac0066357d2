import { QuorateError } from '../../protocol/base/errors.ts';
import { LineEscaper, piecesWithoutColours, withoutColours } from '../../protocol/base/escape.ts';
import { limits } from '../../protocol/base/limits.ts';
import { limitNote, notReceivedNote } from '../../protocol/base/log-notes.ts';
import { type LineTimes, LogTimes } from '../../protocol/base/log-times.ts';
import { dropOldest } from '../../protocol/base/maps.ts';
import type { Admission } from '../../protocol/sessions/admission.ts';
import { sessionLimits, sessionTimes } from '../../protocol/sessions/limits.ts';
import type { Channel, ServedProtocol } from '../../protocol/sessions/ports.ts';
import { TextTail } from '../../protocol/sessions/text-tail.ts';
import { type SendRights, servedBounds } from '../../protocol/wire/bounds.ts';
import { decodeMessage, logUpSchema } from '../../protocol/wire/messages.ts';
import { protocols } from '../../protocol/wire/protocols.ts';
import { liveLeases } from '../machine/state.ts';
import type { ControllerPorts } from './ports.ts';

/** In every JavaScript engine, yet in no lib of this project. */
declare const TextDecoder: new () => {
  decode(bytes?: Uint8Array, options?: { stream: boolean }): string;
};

interface LiveLog {
  bytes: number;
  /** The end of the text, for followers that come late. */
  tail: TextTail;
  listeners: Set<(text: string) => void>;
  /** When its lines came. */
  times: LogTimes;
}

const tailChars = 256 * 1024;
const begunMax = 10_000;

/** The log protocol: live logs of builds are escaped on arrival, stored with their colours, bounded, and passed on to followers. */
export class LogServer {
  readonly served: ServedProtocol = {
    protocol: protocols.log,
    options: servedBounds('log'),
    session: (channel) => this.#session(channel),
  };
  readonly #ports: Pick<ControllerPorts, 'machine' | 'logFiles' | 'clock'>;
  readonly #admission: Admission;
  readonly #live = new Map<string, LiveLog>();
  /** Leases whose log began since this process started, the latest `begunMax`. */
  readonly #begun = new Set<string>();

  constructor(ports: Pick<ControllerPorts, 'machine' | 'logFiles' | 'clock'>, admission: Admission) {
    this.#ports = ports;
    this.#admission = admission;
  }

  /** The stored text of a lease's log, in pieces. */
  read(lease: string): AsyncIterable<string> {
    return piecesWithoutColours(this.#ports.logFiles.read(lease));
  }

  /** Times of its lines, as its worker says them. */
  times(lease: string): Promise<string | undefined> {
    return this.#ports.logFiles.times(lease).catch(() => undefined);
  }

  /** When lines came, since the log began to; undefined when nothing is being sent. */
  liveTimes(lease: string): LineTimes | undefined {
    return this.#live.get(lease)?.times.lines;
  }

  isLive(lease: string): boolean {
    return this.#live.has(lease);
  }

  /** Whether the log of a recorded receipt may still come: a receipt on an open stream may overtake it. */
  mayCome(lease: string): boolean {
    const { clock, machine } = this.#ports;
    const found = machine.state.index.receiptOf(lease);
    if (found === undefined || this.#begun.has(lease)) return false;
    const { worker, round, slot } = found.recorded;
    const delivered = found.run.history.findLast(
      ({ progress }) =>
        progress.kind === 'delivered' &&
        progress.worker === worker &&
        progress.round === round &&
        progress.slot === slot,
    );
    return delivered !== undefined && clock.now() - delivered.at < sessionTimes.logLateMs;
  }

  /** Calls back with the latest text and each new piece until the result is called; undefined when nothing is being sent. */
  follow(lease: string, listener: (text: string) => void): (() => void) | undefined {
    const live = this.#live.get(lease);
    if (live === undefined) return undefined;
    const tail = withoutColours(live.tail.text());
    if (tail !== '') listener(tail);
    live.listeners.add(listener);
    return () => live.listeners.delete(listener);
  }

  async #session(channel: Channel): Promise<void> {
    const admit = this.#admission.admit(channel, { protocol: 'log' });
    let timeoutMs: number = sessionTimes.questionMs;
    for (;;) {
      const header = await channel.receive({ timeoutMs, admit });
      if (header === undefined || !(await this.#log(channel, header))) return;
      timeoutMs = sessionLimits.nextConversationMs;
    }
  }

  /** Takes one log; says whether another one may follow on the stream. */
  async #log(channel: Channel, header: Uint8Array): Promise<boolean> {
    const { lease } = decodeMessage(header, logUpSchema, 'a log header');
    if (!(await this.#begin(channel.peer, lease)))
      throw new QuorateError('LOG_NO_LEASE', 'a log is sent by the worker that holds its lease');
    const log: LiveLog = {
      bytes: 0,
      tail: new TextTail(tailChars),
      listeners: new Set(),
      times: new LogTimes(),
    };
    this.#live.set(lease, log);
    try {
      const file = await this.#ports.logFiles.create(lease);
      try {
        return await this.#receive(channel, log, (text) => file.write(text));
      } finally {
        // Until the last line is in the file, only followers have it.
        await file.end();
      }
    } finally {
      if (this.#live.get(lease) === log) this.#live.delete(lease);
    }
  }

  /** Whether a peer may begin a log now: the holder of the lease, or once, for a while after its receipt, who held it. */
  async #begin(peer: string, lease: string): Promise<boolean> {
    const { runs, leases, index } = this.#ports.machine.state;
    const run = runs.get(leases.get(lease) ?? '');
    const holder = run && liveLeases(run).find(({ id }) => id === lease);
    const isLate = holder === undefined && this.mayCome(lease);
    const by = isLate ? index.receiptOf(lease)?.recorded.worker : holder?.worker;
    if (by !== peer) return false;
    this.#begun.add(lease);
    dropOldest(this.#begun, begunMax);
    // It may have come before this process started.
    return !isLate || !(await this.#isStored(lease));
  }

  async #isStored(lease: string): Promise<boolean> {
    for await (const text of this.#ports.logFiles.read(lease)) if (text !== '') return true;
    return false;
  }

  async #receive(channel: Channel, log: LiveLog, write: (text: string) => void): Promise<boolean> {
    const decoder = new TextDecoder();
    const lines = new LineEscaper(limits.logLineBytesMax, { colours: true });
    const pass = (text: string) => {
      if (text === '') return;
      write(text);
      log.tail.push(text);
      if (log.listeners.size === 0) return;
      // Pages show colours; everybody else gets text.
      const plain = withoutColours(text);
      for (const listener of log.listeners) listener(plain);
    };
    // Apart from the other messages of the worker, whose heartbeats would wait for its output.
    const sendRights = (): SendRights => ({ sender: 'holder' });
    const account = `log ${channel.peer}`;
    const admit = this.#admission.admit(channel, { protocol: 'log', sendRights }, account);
    const { clock } = this.#ports;
    const began = clock.monotonic();
    let isWhole = false;
    try {
      for (;;) {
        const chunk = await channel.receive({ timeoutMs: sessionTimes.requestMs, admit });
        if (chunk === undefined) break;
        if (chunk.length === 0) {
          isWhole = true;
          break;
        }
        if (log.bytes >= limits.logBytesMax) continue;
        log.bytes += chunk.length;
        log.times.push(chunk, clock.monotonic() - began);
        pass(lines.pushText(decoder.decode(chunk, { stream: true })));
        if (log.bytes >= limits.logBytesMax) pass(`${limitNote}\n`);
      }
    } finally {
      pass(lines.endText());
      if (!isWhole && log.bytes < limits.logBytesMax) pass(`${notReceivedNote}\n`);
    }
    return isWhole;
  }
}
